/* Is a certificate of the CSE, or of whoever says to be it, revoked? By the file with revocation lists that the
 * device was given, read again when it changes. The file is the only source, so without a list that counts the answer
 * is a refusal; a list that was read stays until its nextUpdate, whatever becomes of the file. */
#ifndef GH_CLIENT_DEVICE_STATUS_H
#define GH_CLIENT_DEVICE_STATUS_H

#include "base/clock.h"
#include "crypto/crl_file.h"
#include "link/status_source.h"

typedef struct gh_device_status {
  gh_status_source source; /* outlives every context that asks it */
  const gh_clock *clock;   /* the device's */
  char *path;              /* owned; NULL: nobody asks */
  gh_crl_set *lists;
  gh_crl_file file;    /* as it was looked at last */
  unsigned generation; /* grows with each new list */
} gh_device_status;

void gh_device_status_init(gh_device_status *status, const gh_clock *clock);
void gh_device_status_free(gh_device_status *status);
/* From now on this file; empty: none. */
void gh_device_status_use(gh_device_status *status, gh_str path);
/* Reads the file when it is another than before. The error is that of the file as it is now; what was read before
 * still counts. */
gh_err gh_device_status_look(gh_device_status *status, gh_diag *diag);
/* NULL: nobody asks. */
const gh_status_source *gh_device_status_source(const gh_device_status *status);

#endif
