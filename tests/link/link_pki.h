/* A root, an intermediate, and what they issue, made at run time. */
#ifndef GH_TEST_LINK_PKI_H
#define GH_TEST_LINK_PKI_H

#include "../crypto/cert_maker.h"

#define CSE_FQDN "in-cse.sp.example.com"
#define METER_ID "//sp.example.com/in-cse/Cmeter"

typedef struct holder { /* a certificate with its key */
  EVP_PKEY *key;
  X509 *cert;
} holder;

typedef struct pki {
  holder root, middle, server, meter;
  gh_buf root_pem, middle_pem, server_chain_pem, server_key_pem;
} pki;

static inline holder issued(gh_cert_flavour flavour, const char *name, const char *constraint, const holder *issuer)
{
  holder made = {.key = new_key()};
  made.cert = issue(flavour, name, constraint, made.key, issuer ? issuer->cert : NULL, issuer ? issuer->key : NULL);
  return made;
}

/* Valid from `begin` to `end` days from now. */
static inline holder issued_for(gh_cert_flavour flavour, const char *name, const holder *issuer, int begin, int end)
{
  holder made = {.key = new_key()};
  gh_diag diag = {""};
  const gh_cert_request request = {.flavour = flavour,
                                   .name = gh_str_of(name),
                                   .not_before_us = now_us() + begin * DAY_US,
                                   .not_after_us = now_us() + end * DAY_US};
  if (gh_cert_issue(&request, made.key, issuer->cert, issuer->key, &made.cert, &diag) != GH_OK)
    fail_msg("%s", diag.text);
  return made;
}

static inline void holder_free(holder *i)
{
  EVP_PKEY_free(i->key);
  X509_free(i->cert);
  *i = (holder){NULL, NULL};
}

static inline void pem_of(const holder *i, gh_buf *cert, gh_buf *key)
{
  if (cert) assert_int_equal(gh_cert_to_pem(i->cert, cert), GH_OK);
  if (key) assert_int_equal(gh_key_to_pem(i->key, key), GH_OK);
}

static inline void pki_make(pki *p)
{
  *p = (pki){.root = issued(GH_CERT_CA, "Root", NULL, NULL)};
  p->middle = issued(GH_CERT_CA, "Intermediate", "sp.example.com", &p->root);
  p->server = issued(GH_CERT_FQDN, CSE_FQDN, NULL, &p->middle);
  p->meter = issued(GH_CERT_AE_ID, METER_ID, NULL, &p->middle);
  pem_of(&p->root, &p->root_pem, NULL);
  pem_of(&p->middle, &p->middle_pem, NULL);
  pem_of(&p->server, &p->server_chain_pem, &p->server_key_pem);
  gh_buf_add(&p->server_chain_pem, gh_buf_str(&p->middle_pem));
}

static inline void pki_free(pki *p)
{
  holder_free(&p->root);
  holder_free(&p->middle);
  holder_free(&p->server);
  holder_free(&p->meter);
  gh_buf_free(&p->root_pem);
  gh_buf_free(&p->middle_pem);
  gh_buf_free(&p->server_chain_pem);
  gh_buf_wipe_free(&p->server_key_pem);
}

#endif
