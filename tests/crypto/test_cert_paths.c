/* Path validation: what the certificates of this folder's CA do in the verifier of the library, and each row of the
 * project's table of name constraints. */
#include "cert_maker.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/* root -> intermediate -> leaf */
typedef struct chain {
  EVP_PKEY *root_key, *middle_key, *leaf_key;
  X509 *root, *middle, *leaf;
} chain;

static void chain_keys(chain *c)
{
  *c = (chain){.root_key = new_key(), .middle_key = new_key(), .leaf_key = new_key()};
}

static void chain_free(chain *c)
{
  X509_free(c->root);
  X509_free(c->middle);
  X509_free(c->leaf);
  EVP_PKEY_free(c->root_key);
  EVP_PKEY_free(c->middle_key);
  EVP_PKEY_free(c->leaf_key);
}

typedef struct how {
  bool without_middle;
  int purpose;
  time_t at; /* 0: now */
} how;

/* X509_V_OK or the first error. */
static int verify(const chain *c, how h)
{
  X509_STORE *store = X509_STORE_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  X509_STORE_CTX *ctx = X509_STORE_CTX_new();
  X509_STORE_add_cert(store, c->root);
  if (!h.without_middle) sk_X509_push(sent, c->middle);
  X509_STORE_CTX_init(ctx, store, c->leaf, sent);
  if (h.purpose) X509_STORE_CTX_set_purpose(ctx, h.purpose);
  if (h.at) X509_STORE_CTX_set_time(ctx, 0, h.at);
  int ok = X509_verify_cert(ctx);
  int error = ok == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
  X509_STORE_CTX_free(ctx);
  sk_X509_free(sent);
  X509_STORE_free(store);
  ERR_clear_error();
  return error;
}

/* ---- chains that we make */

static void our_chain(chain *c, const char *constraint, gh_cert_flavour flavour, const char *name)
{
  chain_keys(c);
  c->root = issue(GH_CERT_CA, "Root", NULL, c->root_key, NULL, NULL);
  c->middle = issue(GH_CERT_CA, "Intermediate", constraint, c->middle_key, c->root, c->root_key);
  c->leaf = issue(flavour, name, NULL, c->leaf_key, c->middle, c->middle_key);
}

/*= TS-0003 8.1.2.2; RFC 5280 path validation with name constraints */
static void test_our_chains_verify(void **state)
{
  (void)state;
  static const struct {
    const char *constraint;
    gh_cert_flavour flavour;
    const char *name;
  } cases[] = {
      {"sp.example.com", GH_CERT_CSE_ID, "mn-cse1.in-cse.sp.example.com"},
      {"sp.example.com", GH_CERT_FQDN, "mef.sp.example.com"},
      {"sp.example.com", GH_CERT_FQDN, "sp.example.com"},
      {"sp.example.com", GH_CERT_AE_ID, "//sp.example.com/in-cse/Cae1"},
      {"sp.example.com", GH_CERT_AE_ID, "//sp.example.com/S98821"},
      {"sp.example.com", GH_CERT_DEVICE, "0.2.481.1.100.3030.10011"},
      {NULL, GH_CERT_DEVICE, "0.2.481.1.100.3030.10011"},
      {NULL, GH_CERT_NODE_ID, "urn:gsma:imei:90420156-025763-0"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    chain c;
    our_chain(&c, cases[i].constraint, cases[i].flavour, cases[i].name);
    assert_int_equal(verify(&c, (how){.purpose = X509_PURPOSE_SSL_CLIENT}), X509_V_OK);
    assert_int_equal(verify(&c, (how){.purpose = X509_PURPOSE_SSL_SERVER}), X509_V_OK);
    chain_free(&c);
  }
}

/* TP-09: the broken chains */
/*= TS-0003 8.1.2.2; the chain is mandatory */
static void test_broken_chains(void **state)
{
  (void)state;
  chain c, other;
  our_chain(&c, "sp.example.com", GH_CERT_CSE_ID, "in-cse.sp.example.com");
  our_chain(&other, "sp.example.com", GH_CERT_CSE_ID, "in-cse.sp.example.com");
  const time_t now = (time_t)(now_us() / GH_US_PER_S);
  assert_int_equal(verify(&c, (how){.without_middle = true}), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  assert_int_equal(verify(&c, (how){.at = now + 40 * 86400}), X509_V_ERR_CERT_HAS_EXPIRED);
  assert_int_equal(verify(&c, (how){.at = now - 2 * 86400}), X509_V_ERR_CERT_NOT_YET_VALID);
  assert_int_equal(verify(&c, (how){.purpose = X509_PURPOSE_SMIME_SIGN}), X509_V_ERR_INVALID_PURPOSE);
  chain foreign = {.root = other.root, .middle = c.middle, .leaf = c.leaf};
  assert_int_not_equal(verify(&foreign, (how){0}), X509_V_OK); /* a root of the same name, another key */
  chain borrowed = {.root = c.root, .middle = other.middle, .leaf = other.leaf};
  assert_int_not_equal(verify(&borrowed, (how){0}), X509_V_OK);
  chain_free(&c);
  chain_free(&other);
}

/* An end entity that signs another certificate. */
static void test_leaf_is_no_issuer(void **state)
{
  (void)state;
  chain c;
  our_chain(&c, "sp.example.com", GH_CERT_CSE_ID, "in-cse.sp.example.com");
  EVP_PKEY *key = new_key();
  X509 *forged = odd_make(&(odd_cert){.key = key,
                                      .issuer = c.leaf,
                                      .signer = c.leaf_key,
                                      .usage = "digitalSignature",
                                      .names = "DNS:mn-cse1.in-cse.sp.example.com"});
  chain f = {.root = c.middle, .middle = c.leaf, .leaf = forged};
  assert_int_not_equal(verify(&f, (how){0}), X509_V_OK);
  X509_free(forged);
  EVP_PKEY_free(key);
  chain_free(&c);
}

/* ---- the table: constraint of the intermediate, names of the leaf, what the library says */

static const struct {
  const char *constraint, *names;
  int want;
} rows[] = {
    {"permitted;DNS:sp.example.com", "DNS:mn-cse1.in-cse.sp.example.com", X509_V_OK},
    {"permitted;DNS:sp.example.com", "DNS:mn-cse1.other.example.org", X509_V_ERR_PERMITTED_VIOLATION},
    {"permitted;URI:sp.example.com", "URI:m2m://sp.example.com/in-cse/Cae1", X509_V_OK},
    {"permitted;URI:.sp.example.com", "URI:m2m://sp.example.com/in-cse/Cae1", X509_V_ERR_PERMITTED_VIOLATION},
    {"permitted;URI:sp.example.com", "URI://sp.example.com/in-cse/Cae1", X509_V_ERR_UNSUPPORTED_NAME_SYNTAX},
    {"permitted;URI:sp.example.com", "URI:urn:gsma:imei:90420156-025763-0", X509_V_ERR_UNSUPPORTED_NAME_SYNTAX},
    {"permitted;URI:sp.example.com", "URI:m2m://evil.example.org/in-cse/Cae1", X509_V_ERR_PERMITTED_VIOLATION},
    {NULL, "URI:urn:gsma:imei:90420156-025763-0", X509_V_OK},
    {"permitted;DNS:sp.example.com", "URI:urn:gsma:imei:90420156-025763-0,DNS:in-cse.sp.example.com", X509_V_OK},
    {"permitted;DNS:sp.example.com,permitted;URI:sp.example.com", "DNS:maf.sp.example.com", X509_V_OK},
    {"permitted;DNS:sp.example.com,permitted;URI:sp.example.com", "DNS:notsp.example.com",
     X509_V_ERR_PERMITTED_VIOLATION},
};

static void odd_chain(chain *c, const char *constraint, const char *names)
{
  const char *usage = "critical,digitalSignature,keyCertSign", *basic = "critical,CA:TRUE";
  chain_keys(c);
  c->root = odd_make(&(odd_cert){.key = c->root_key, .basic = basic, .usage = usage});
  c->middle = odd_make(&(odd_cert){.key = c->middle_key,
                                   .issuer = c->root,
                                   .signer = c->root_key,
                                   .basic = basic,
                                   .usage = usage,
                                   .constraints = constraint});
  c->leaf = odd_make(&(odd_cert){.key = c->leaf_key,
                                 .issuer = c->middle,
                                 .signer = c->middle_key,
                                 .usage = "critical,digitalSignature",
                                 .names = names});
}

/*= TS-0003 8.1.2.2; name constraints are processed */
static void test_name_constraints(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    chain c;
    odd_chain(&c, rows[i].constraint, rows[i].names);
    int got = verify(&c, (how){0});
    if (got != rows[i].want) fail_msg("%s under %s: %d", rows[i].names, rows[i].constraint, got);
    assert_int_equal(verify(&c, (how){.without_middle = true}), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    chain_free(&c);
  }
}

/* The library cannot judge otherName constraints (error 51), so that our CA never writes them; a checker of our own,
 * in link/, would have to accept this chain. */
static void test_other_name_constraint(void **state)
{
  (void)state;
  chain c;
  odd_chain(&c, "permitted;otherName:0.2.481.1;UTF8:100", NULL);
  X509_free(c.leaf);
  EVP_PKEY *ca_key = new_key();
  X509 *free_ca = issue(GH_CERT_CA, "Device CA", NULL, ca_key, NULL, NULL);
  X509 *device = issue(GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", NULL, c.leaf_key, free_ca, ca_key);
  c.leaf = X509_dup(device);
  X509_set_issuer_name(c.leaf, X509_get_subject_name(c.middle));
  X509_EXTENSION_free(X509_delete_ext(c.leaf, X509_get_ext_by_NID(c.leaf, NID_authority_key_identifier, -1)));
  assert_true(X509_sign(c.leaf, c.middle_key, EVP_sha256()) > 0);
  assert_int_equal(verify(&c, (how){0}), X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE);
  X509_free(device);
  X509_free(free_ca);
  EVP_PKEY_free(ca_key);
  chain_free(&c);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_our_chains_verify),     cmocka_unit_test(test_broken_chains),
      cmocka_unit_test(test_leaf_is_no_issuer),     cmocka_unit_test(test_name_constraints),
      cmocka_unit_test(test_other_name_constraint),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
