/* The whole path validation: every row of the project's table of name constraints, otherName constraints in all their
 * forms, the profile of every certificate of a chain, its depth and its purpose. */
#include "cert_maker.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "crypto/cert_path.h"

#define CA_BASIC "critical,CA:TRUE"
#define CA_USAGE "critical,digitalSignature,keyCertSign"
#define SIGNS "critical,digitalSignature"

enum { CHAIN_MAX = 8 };

/* [0] is the root, the last one the end entity. */
typedef struct chain {
  EVP_PKEY *keys[CHAIN_MAX];
  X509 *certs[CHAIN_MAX];
  int count;
} chain;

static void add(chain *c, odd_cert odd)
{
  int i = c->count++;
  c->keys[i] = odd.key ? odd.key : new_key();
  odd.key = c->keys[i];
  if (i && !odd.issuer) odd.issuer = c->certs[i - 1];
  if (i && !odd.signer) odd.signer = c->keys[i - 1];
  c->certs[i] = odd_make(&odd);
}

static void add_ca(chain *c)
{
  add(c, (odd_cert){.basic = CA_BASIC, .usage = CA_USAGE});
}

static void chain_free(chain *c)
{
  for (int i = 0; i < c->count; i++) {
    X509_free(c->certs[i]);
    EVP_PKEY_free(c->keys[i]);
  }
  *c = (chain){.count = 0};
}

typedef struct verdict {
  bool ok;
  int error;
  gh_diag diag;
} verdict;

static verdict judge_without(const chain *c, gh_cert_role role, bool without_intermediates)
{
  verdict v = {.ok = false};
  X509_STORE *store = X509_STORE_new();
  STACK_OF(X509) *sent = sk_X509_new_null();
  X509_STORE_CTX *ctx = X509_STORE_CTX_new();
  X509_STORE_add_cert(store, c->certs[0]);
  for (int i = c->count - 2; i > 0 && !without_intermediates; i--) sk_X509_push(sent, c->certs[i]);
  X509_STORE_CTX_init(ctx, store, c->certs[c->count - 1], sent);
  X509_STORE_CTX_set_default(ctx, role == GH_CERT_OF_SERVER ? "ssl_server" : "ssl_client"); /* as a handshake does */
  v.ok = gh_cert_path_verify(ctx, role, &v.diag);
  v.error = X509_STORE_CTX_get_error(ctx);
  X509_STORE_CTX_free(ctx);
  sk_X509_free(sent);
  X509_STORE_free(store);
  assert_int_equal(v.ok, v.error == X509_V_OK);
  assert_int_equal(v.ok, v.diag.text[0] == '\0');
  ERR_clear_error();
  return v;
}

static verdict judge(const chain *c)
{
  return judge_without(c, GH_CERT_OF_CLIENT, false);
}

static void assert_fine(const chain *c, const char *what)
{
  verdict v = judge(c);
  if (!v.ok) fail_msg("%s: %s", what, v.diag.text);
  assert_true(judge_without(c, GH_CERT_OF_SERVER, false).ok);
}

static void assert_refused(const chain *c, int error, const char *reason)
{
  verdict v = judge(c);
  if (v.ok) fail_msg("accepted, expected: %s", reason);
  if (v.error != error || !strstr(v.diag.text, reason)) fail_msg("%d %s, expected %s", v.error, v.diag.text, reason);
}

/* ---- the table of the project: constraint of the intermediate, name of the end entity */

static const struct {
  const char *constraint, *names;
  int want;
} rows[] = {
    {"permitted;DNS:sp.example.com", "DNS:mn-cse1.in-cse.sp.example.com", X509_V_OK},
    {"permitted;DNS:sp.example.com", "DNS:mn-cse1.other.example.org", X509_V_ERR_PERMITTED_VIOLATION},
    {"permitted;URI:sp.example.com", "URI:m2m://sp.example.com/in-cse/Cae1", X509_V_OK},
    {"permitted;URI:sp.example.com", "URI:m2m://sp.example.com/S98821", X509_V_OK},
    {"permitted;URI:.sp.example.com", "URI:m2m://sp.example.com/in-cse/Cae1", X509_V_ERR_PERMITTED_VIOLATION},
    {"permitted;URI:sp.example.com", "URI://sp.example.com/in-cse/Cae1", X509_V_ERR_UNSUPPORTED_NAME_SYNTAX},
    {"permitted;URI:sp.example.com", "URI:urn:gsma:imei:90420156-025763-0", X509_V_ERR_UNSUPPORTED_NAME_SYNTAX},
    {NULL, "URI:urn:gsma:imei:90420156-025763-0", X509_V_OK},
    {"permitted;DNS:sp.example.com", "URI:urn:gsma:imei:90420156-025763-0", X509_V_OK},
    {"permitted;DNS:sp.example.com", "URI:urn:gsma:imei:90420156-025763-0,DNS:in-cse.sp.example.com", X509_V_OK},
    {"excluded;DNS:evil.sp.example.com", "DNS:mn-cse1.sp.example.com", X509_V_OK},
    {"excluded;DNS:evil.sp.example.com", "DNS:x.evil.sp.example.com", X509_V_ERR_EXCLUDED_VIOLATION},
};

/*= TS-0003 8.1.2.2; name constraints are processed, the chain is mandatory */
static void rows_of_the_table(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    chain c = {.count = 0};
    add_ca(&c);
    add(&c, (odd_cert){.basic = CA_BASIC, .usage = CA_USAGE, .constraints = rows[i].constraint});
    add(&c, (odd_cert){.usage = SIGNS, .names = rows[i].names});
    verdict v = judge(&c);
    if (v.error != rows[i].want) fail_msg("%s under %s: %s", rows[i].names, rows[i].constraint, v.diag.text);
    v = judge_without(&c, GH_CERT_OF_CLIENT, true);
    assert_int_equal(v.error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    chain_free(&c);
  }
}

/* ---- otherName constraints */

typedef struct tree {
  bool excluded;
  const char *indication, *arcs;
} tree;

static NAME_CONSTRAINTS *forest(const tree *trees, size_t count)
{
  NAME_CONSTRAINTS *nc = NULL;
  for (size_t i = 0; i < count; i++)
    nc = constrain(nc, trees[i].excluded, device_name_of(trees[i].indication, trees[i].arcs));
  return nc;
}

static void device_chain(chain *c, NAME_CONSTRAINTS *nc, bool critical, GENERAL_NAME *name, const char *names)
{
  *c = (chain){.count = 0};
  add_ca(c);
  add(c, (odd_cert){.basic = CA_BASIC, .usage = CA_USAGE, .raw_constraints = nc, .constraints_critical = critical});
  add(c, (odd_cert){.usage = SIGNS, .raw_name = name, .names = names});
}

static const struct {
  tree trees[2];
  size_t count;
  const char *indication, *arcs;
  bool fine;
} device_rows[] = {
    {{{false, "0.2.481.1", "100"}}, 1, "0.2.481.1", "100.3030.10011", true},
    {{{false, "0.2.481.1", "100"}}, 1, "0.2.481.1", "100", true},
    {{{false, "0.2.481.1", "100.3030"}}, 1, "0.2.481.1", "100.3030.10011", true},
    {{{false, "0.2.481.1", "100"}}, 1, "0.2.481.1", "101.3030.10011", false},
    {{{false, "0.2.481.1", "10"}}, 1, "0.2.481.1", "100.3030", false}, /* a prefix of digits is none of arcs */
    {{{false, "0.2.481.1", "100.3030"}}, 1, "0.2.481.1", "100", false},
    {{{false, "0.2.481.1", "100"}}, 1, "0.2.481.2", "100.3030", false}, /* another form, by type-id */
    {{{false, "0.2.481.1", "100"}}, 1, "0.2.481.1.100", "3030", true},  /* the same arcs, cut elsewhere */
    {{{false, "0.2.481.1", "100"}, {false, "0.2.481.1", "200"}}, 2, "0.2.481.1", "200.1", true},
    {{{false, "0.2.481.1", "100"}, {true, "0.2.481.1", "100.9"}}, 2, "0.2.481.1", "100.9.1", false},
    {{{false, "0.2.481.1", "100"}, {true, "0.2.481.1", "100.9"}}, 2, "0.2.481.1", "100.8.1", true},
    {{{true, "0.2.481.1", "100"}}, 1, "0.2.481.1", "100.1", false},
    {{{true, "0.2.481.1", "100"}}, 1, "0.2.481.1", "200.1", true},
    {{{false, "0.2.481.1", "300"}}, 1, "0.2.481.1", "300.4294967296", true}, /* arcs of several octets */
    {{{false, "0.2.481.1", "300"}}, 1, "0.2.481.1", "2.44", false},          /* 300 is 82 2C on the wire */
};

/*= TS-0003 10.1.1.4.2; a subtree of M2M Device IDs, as OpenSSL cannot judge it (error 51) */
static void subtrees_of_device_names(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof device_rows / sizeof *device_rows; i++)
    for (int critical = 0; critical < 2; critical++) {
      chain c;
      device_chain(&c, forest(device_rows[i].trees, device_rows[i].count), critical,
                   device_name_of(device_rows[i].indication, device_rows[i].arcs), NULL);
      verdict v = judge(&c);
      if (v.ok != device_rows[i].fine) fail_msg("row %zu: %s", i, v.ok ? "accepted" : v.diag.text);
      if (!v.ok) assert_int_equal(v.error, X509_V_ERR_PERMITTED_VIOLATION);
      chain_free(&c);
    }
}

static NAME_CONSTRAINTS *hundred(void)
{
  return constrain(NULL, false, device_name_of("0.2.481.1", "100"));
}

static GENERAL_NAME *registered(const char *oid)
{
  GENERAL_NAME *name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, GEN_RID, OBJ_txt2obj(oid, 1));
  return name;
}

static void other_forms_of_device_names(void **state)
{
  (void)state;
  const unsigned char module[] = {0x30, 0x09, 0x06, 0x03, 0x2a, 0x03, 0x04, 0x04, 0x02, 0x0a, 0x0b};
  const unsigned char padded[] = {0x0d, 0x02, 0x80, 0x01}, text[] = {0x0c, 0x01, 'u'};
  chain c;
  device_chain(&c, hundred(), true, registered("0.2.481.1.100.3030"), NULL);
  assert_fine(&c, "registeredID within");
  chain_free(&c);
  device_chain(&c, hundred(), true, registered("0.2.481.1.200"), NULL);
  assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "outside the permitted");
  chain_free(&c);
  device_chain(&c, hundred(), true, other_name("1.3.6.1.5.5.7.8.4", module, sizeof module), NULL);
  assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "outside the permitted");
  chain_free(&c);
  device_chain(&c, hundred(), true, other_name("0.2.481.7", padded, sizeof padded), NULL);
  assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "outside the permitted");
  chain_free(&c);
  device_chain(&c, hundred(), true, other_name("0.2.481.1", padded, sizeof padded), NULL);
  assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "cannot be read");
  chain_free(&c);
  /* somebody else's otherName is not a device's */
  device_chain(&c, hundred(), true, other_name("1.3.6.1.4.1.311.20.2.3", text, sizeof text), NULL);
  assert_fine(&c, "a foreign otherName");
  chain_free(&c);
}

/* Constraints that nobody here can read: refused wherever they speak of a name that is there. */
static void unreadable_constraints_fail_closed(void **state)
{
  (void)state;
  const unsigned char text[] = {0x0c, 0x03, '1', '0', '0'}, padded[] = {0x0d, 0x02, 0x80, 0x64};
  const char *const upn = "1.3.6.1.4.1.311.20.2.3";
  chain c;
  for (int excluded = 0; excluded < 2; excluded++) {
    device_chain(&c, constrain(NULL, excluded, other_name("0.2.481.1", text, sizeof text)), false,
                 device_name_of("0.2.481.1", "100.1"), NULL);
    assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "cannot be read");
    chain_free(&c);
    device_chain(&c, constrain(NULL, excluded, other_name("0.2.481.1", padded, sizeof padded)), true,
                 device_name_of("0.2.481.1", "100.1"), NULL);
    assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "cannot be read");
    chain_free(&c);
    device_chain(&c, constrain(NULL, excluded, other_name(upn, text, sizeof text)), true,
                 other_name(upn, text, sizeof text), NULL);
    assert_refused(&c, X509_V_ERR_PERMITTED_VIOLATION, "cannot be read");
    chain_free(&c);
    NAME_CONSTRAINTS *bounded = constrain(NULL, excluded, device_name_of("0.2.481.1", "100"));
    GENERAL_SUBTREE *only =
        sk_GENERAL_SUBTREE_value(excluded ? bounded->excludedSubtrees : bounded->permittedSubtrees, 0);
    only->maximum = ASN1_INTEGER_new();
    ASN1_INTEGER_set(only->maximum, 3);
    device_chain(&c, bounded, true, device_name_of("0.2.481.1", "100.1"), NULL);
    assert_false(judge(&c).ok);
    chain_free(&c);
  }
  /* and where they speak of nobody here, they do not matter */
  device_chain(&c, constrain(NULL, false, other_name(upn, text, sizeof text)), true,
               device_name_of("0.2.481.1", "100.1"), NULL);
  assert_fine(&c, "a constraint over somebody else's names");
  chain_free(&c);
  /* constraints over registeredIDs are not the standard's form: the library's error stands */
  device_chain(&c, constrain(NULL, false, registered("0.2.481.1")), true, registered("0.2.481.1.100"), NULL);
  assert_refused(&c, X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, "unsupported");
  chain_free(&c);
}

/* OpenSSL stops at the otherName: the other names of the certificate must be judged all the same. */
static void names_beside_a_device_name(void **state)
{
  (void)state;
  static const struct {
    const char *beside;
    bool fine;
  } cases[] = {{"DNS:x.sp.example.com", true}, {"DNS:x.evil.example.org", false}};
  for (size_t i = 0; i < 2; i++) {
    NAME_CONSTRAINTS *nc = hundred();
    GENERAL_NAME *dns = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, "sp.example.com", -1);
    GENERAL_NAME_set0_value(dns, GEN_DNS, text);
    constrain(nc, false, dns);
    chain c;
    device_chain(&c, nc, true, NULL, NULL);
    X509 *leaf = c.certs[2];
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    sk_GENERAL_NAME_push(names, device_name_of("0.2.481.1", "100.1"));
    GENERAL_NAME *second = a2i_GENERAL_NAME(NULL, NULL, NULL, GEN_DNS, strchr(cases[i].beside, ':') + 1, 0);
    sk_GENERAL_NAME_push(names, second);
    assert_int_equal(X509_add1_ext_i2d(leaf, NID_subject_alt_name, names, 0, 0), 1);
    GENERAL_NAMES_free(names);
    assert_true(X509_sign(leaf, c.keys[1], EVP_sha256()) > 0);
    verdict v = judge(&c);
    if (v.ok != cases[i].fine) fail_msg("%s: %s", cases[i].beside, v.diag.text);
    chain_free(&c);
  }
}

/* A constraint binds every certificate below it, not the next one alone. */
static void constraints_from_far_above(void **state)
{
  (void)state;
  for (int inside = 0; inside < 2; inside++) {
    chain c = {.count = 0};
    add(&c,
        (odd_cert){.basic = CA_BASIC, .usage = CA_USAGE, .raw_constraints = hundred(), .constraints_critical = true});
    add_ca(&c);
    add_ca(&c);
    add(&c, (odd_cert){.usage = SIGNS, .raw_name = device_name_of("0.2.481.1", inside ? "100.1" : "101.1")});
    assert_int_equal(judge(&c).ok, inside);
    chain_free(&c);
  }
}

/* ---- profile, depth, purpose */

static EVP_PKEY *key_on(const char *curve)
{
  return EVP_EC_gen(curve);
}

static EVP_PKEY *compressed(void)
{
  EVP_PKEY *key = new_key();
  EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed");
  return key;
}

/*= TS-0003 10.1.1.3; the profile holds for every certificate of the chain */
static void profile_of_every_certificate(void **state)
{
  (void)state;
  const odd_cert leaf = {.usage = SIGNS, .names = "DNS:in-cse.sp.example.com"};
  const struct {
    const char *reason;
    odd_cert middle, leaf;
  } cases[] = {
      {NULL, {.basic = CA_BASIC, .usage = CA_USAGE}, leaf},
      {"P-256 (depth 1)", {.key = key_on("P-384"), .basic = CA_BASIC, .usage = CA_USAGE}, leaf},
      {"SHA256 (depth 0)", {.key = EVP_RSA_gen(2048), .basic = CA_BASIC, .usage = CA_USAGE}, leaf},
      {"P-256 (depth 1)", {.key = compressed(), .basic = CA_BASIC, .usage = CA_USAGE}, leaf},
      {"SHA256 (depth 1)", {.basic = CA_BASIC, .usage = CA_USAGE, .digest = EVP_sha384()}, leaf},
      {"keyUsage is absent or lacks what its role needs (depth 1)",
       {.basic = CA_BASIC, .usage = "critical,keyCertSign"},
       leaf},
      {"P-256 (depth 0)",
       {.basic = CA_BASIC, .usage = CA_USAGE},
       {.key = compressed(), .usage = SIGNS, .names = "DNS:in-cse.sp.example.com"}},
      {"SHA256 (depth 0)",
       {.basic = CA_BASIC, .usage = CA_USAGE},
       {.usage = SIGNS, .names = "DNS:in-cse.sp.example.com", .digest = EVP_sha512()}},
      {"wildcard (depth 0)",
       {.basic = CA_BASIC, .usage = CA_USAGE},
       {.usage = SIGNS, .names = "DNS:*.sp.example.com"}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    chain c = {.count = 0};
    add_ca(&c);
    add(&c, cases[i].middle);
    add(&c, cases[i].leaf);
    if (cases[i].reason)
      assert_refused(&c, X509_V_ERR_INVALID_PURPOSE, cases[i].reason);
    else
      assert_fine(&c, "all as it should be");
    chain_free(&c);
  }
}

/* Of an anchor only name and key count; an old root without digitalSignature still anchors. */
static void what_an_anchor_must_have(void **state)
{
  (void)state;
  chain c = {.count = 0};
  add(&c, (odd_cert){.basic = CA_BASIC, .usage = "critical,keyCertSign"});
  add(&c, (odd_cert){.usage = SIGNS, .names = "DNS:in-cse.sp.example.com"});
  assert_fine(&c, "an anchor that signs certificates only");
  chain_free(&c);
  add(&c, (odd_cert){.key = key_on("P-384"), .basic = CA_BASIC, .usage = CA_USAGE});
  add(&c, (odd_cert){.usage = SIGNS, .names = "DNS:in-cse.sp.example.com"});
  assert_refused(&c, X509_V_ERR_INVALID_PURPOSE, "key of the anchor");
  chain_free(&c);
}

static void depth_of_the_chain(void **state)
{
  (void)state;
  for (int intermediates = 0; intermediates < 6; intermediates++) {
    chain c = {.count = 0};
    add_ca(&c);
    for (int i = 0; i < intermediates; i++) add_ca(&c);
    add(&c, (odd_cert){.usage = SIGNS, .names = "DNS:in-cse.sp.example.com"});
    if (intermediates + 1 <= GH_CERT_PATH_MAX)
      assert_fine(&c, "deep, but not too deep");
    else
      assert_refused(&c, X509_V_ERR_CERT_CHAIN_TOO_LONG, "too many certificates");
    chain_free(&c);
  }
}

static void purposes(void **state)
{
  (void)state;
  static const struct {
    const char *ext_usage;
    bool client, server;
  } cases[] = {
      {NULL, true, true},
      {"clientAuth", true, false},
      {"serverAuth", false, true},
      {"serverAuth,clientAuth", true, true},
      {"codeSigning", false, false},
      {"critical,1.2.3.4", false, false},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_diag diag = {""};
    chain c = {.count = 0};
    add_ca(&c);
    add(&c, (odd_cert){.usage = SIGNS, .names = "DNS:in-cse.sp.example.com", .ext_usage = cases[i].ext_usage});
    verdict client = judge_without(&c, GH_CERT_OF_CLIENT, false),
            server = judge_without(&c, GH_CERT_OF_SERVER, false);
    if (client.ok != cases[i].client || server.ok != cases[i].server) fail_msg("%s", cases[i].ext_usage);
    if (!client.ok) assert_int_equal(client.error, X509_V_ERR_INVALID_PURPOSE);
    assert_int_equal(gh_cert_purpose(c.certs[1], GH_CERT_OF_CLIENT, &diag) == GH_OK, cases[i].client);
    assert_int_equal(gh_cert_purpose(c.certs[1], GH_CERT_OF_SERVER, &diag) == GH_OK, cases[i].server);
    chain_free(&c);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_of_the_table),
      cmocka_unit_test(subtrees_of_device_names),
      cmocka_unit_test(other_forms_of_device_names),
      cmocka_unit_test(unreadable_constraints_fail_closed),
      cmocka_unit_test(names_beside_a_device_name),
      cmocka_unit_test(constraints_from_far_above),
      cmocka_unit_test(profile_of_every_certificate),
      cmocka_unit_test(what_an_anchor_must_have),
      cmocka_unit_test(depth_of_the_chain),
      cmocka_unit_test(purposes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
