/* The certificate revocation lists of certificate_status.c: one from a file, one from a web server. Read and fetched
 * on the status thread, looked at from any. */
#ifndef GH_HOST_STATUS_LISTS_H
#define GH_HOST_STATUS_LISTS_H

#include "crypto/cert_status.h"
#include "host/certificate_status.h"

typedef struct gh_status_lists gh_status_lists;

gh_status_lists *gh_status_lists_new(const gh_certificate_status_options *options);
void gh_status_lists_free(gh_status_lists *lists);
/* Reads the file if it changed. Its errors are for the caller at the start, and for the log later. */
GH_MUST_USE gh_err gh_status_lists_read_file(gh_status_lists *lists, gh_diag *diag);
/* Fetches if it is time to. */
void gh_status_lists_fetch(gh_status_lists *lists);
/* Did a list change since this was asked last? Status thread. */
bool gh_status_lists_changed(gh_status_lists *lists);
/* Is a list still to come for the first time? Any thread. */
bool gh_status_lists_pending(gh_status_lists *lists);
/* Any thread. */
gh_cert_state gh_status_lists_check(gh_status_lists *lists, X509 *cert, X509 *issuer, int64_t now_us);

#endif
