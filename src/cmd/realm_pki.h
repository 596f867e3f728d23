/* The CA of a realm, while credentials are made. */
#ifndef GH_CMD_REALM_PKI_H
#define GH_CMD_REALM_PKI_H

#include "cmd/config.h"
#include "crypto/certs.h"

typedef struct gh_ca gh_ca;

/* Identifiers of the private keys in ca.sealed and admin/keys.sealed; a function's is its FQDN. */
#define GH_CA_KEY_ID "ca"
#define GH_ADMIN_KEY_ID "admin"

/* New key and certificate: ca.pem, ca.sealed (opened with the realm's secret, which must be there). */
GH_MUST_USE gh_err gh_ca_create(const gh_realm *realm, const gh_random *random, gh_ca **out, gh_diag *diag);
/* The CA of a realm that is there. */
GH_MUST_USE gh_err gh_ca_open(const gh_realm *realm, gh_ca **out, gh_diag *diag);
void gh_ca_free(gh_ca *ca);

typedef struct gh_ca_order { /* a certificate for somebody outside the realm's folder */
  gh_cert_flavour flavour;
  gh_str name;
  int days;
  const char *cert_path, *key_path; /* new files of mode 0600 */
} gh_ca_order;
GH_MUST_USE gh_err gh_ca_issue_to_files(gh_ca *ca, const gh_ca_order *order, gh_diag *diag);
/* New certificates for the keys that a function has, also under its further names; files are replaced as a whole. */
GH_MUST_USE gh_err gh_ca_renew_function(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function, int days,
                                        gh_diag *diag);
/* Certificate and sealed file of a function, whose paths are relative to the realm's folder. */
GH_MUST_USE gh_err gh_ca_equip_function(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function,
                                        gh_cert_flavour flavour, const gh_random *random, gh_diag *diag);
/* Certificate and sealed file for a further name (lower case) of a function that is there. */
GH_MUST_USE gh_err gh_ca_equip_name(gh_ca *ca, const gh_realm *realm, const gh_realm_function *function, gh_str fqdn,
                                    int days, const gh_random *random, gh_diag *diag);
/* admin/cert.pem, admin/secret, admin/keys.sealed for an absolute AE-ID. */
GH_MUST_USE gh_err gh_ca_equip_admin(gh_ca *ca, const gh_realm *realm, gh_str ae_id, const gh_random *random,
                                     gh_diag *diag);

#endif
