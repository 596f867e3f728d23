/* A file with certificate revocation lists, which is read again when it is another than before. */
#ifndef GH_CRYPTO_CRL_FILE_H
#define GH_CRYPTO_CRL_FILE_H

#include <sys/stat.h>

#include "crypto/cert_status.h"

typedef struct gh_crl_file { /* zeros: nothing was read yet */
  struct stat seen;          /* what was read last, good or bad */
  gh_err err;                /* what came of it */
  gh_diag why;
} gh_crl_file;

/* *out: the lists, where the file is another than before and can be read; else NULL. The error is that of the file as
 * it is now, also where it was read before and is not read again. *fresh: it is news; may be NULL. */
GH_MUST_USE gh_err gh_crl_file_look(gh_crl_file *file, const char *path, gh_crl_set **out, bool *fresh,
                                    gh_diag *diag);
/* Once. */
GH_MUST_USE gh_err gh_crl_file_read(const char *path, gh_crl_set **out, gh_diag *diag);

#endif
