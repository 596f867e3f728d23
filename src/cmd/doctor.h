/* The checks of gatehouse doctor: each adds rows to a report. */
#ifndef GH_CMD_DOCTOR_H
#define GH_CMD_DOCTOR_H

#include "cmd/call.h"
#include "cmd/config.h"

typedef struct gh_report {
  gh_call *call;
  gh_val *rows;
  size_t failed;
} gh_report;

typedef enum gh_health { GH_HEALTHY, GH_UNKNOWN_HEALTH, GH_ILL } gh_health;

/* One row; `what` and `text` are copied. */
void gh_report_add(gh_report *report, gh_str what, gh_health health, const char *fmt, ...) GH_PRINTF(4, 5);

/* Nobody but the owner reaches anything in the folder. */
void gh_check_modes(gh_report *report, gh_str dir);
/* Certificate: profile, dates, path to the anchors, name, its private key in the sealed file. */
void gh_check_function_credentials(gh_report *report, const gh_realm *realm, const gh_realm_function *function);
/* The revocation list, and what asking leads to where the peer is a broker. */
void gh_check_status_sources(gh_report *report, const gh_realm_function *function);
void gh_check_admin_credential(gh_report *report, const gh_realm *realm);
/* The certificates in this file, `whom` they are for, and when the first of them ends. */
void gh_report_anchors(gh_report *report, gh_str what, gh_str path, gh_str whom);
/* Those that vouch for one flavour of certificates alone. */
void gh_check_anchors(gh_report *report, const gh_realm *realm);
/* A device: its folder, its certificate, and the sources of which it asks whether others are revoked. */
gh_exit gh_doctor_device(gh_call *call);
/* The anchors of another service provider, and how it is called. */
void gh_check_provider(gh_report *report, const gh_realm_provider *provider);
/* Store, and whether the function answers. */
void gh_check_store(gh_report *report, const gh_realm_function *function);
void gh_check_endpoint(gh_report *report, const gh_realm *realm, const gh_realm_function *function);

#endif
