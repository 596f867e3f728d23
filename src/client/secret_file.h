/* Small files that only their owner may read: passphrases of sealed files, keys handed over by an operator, state.
 * Text stays in buffers that the caller wipes (gh_buf_wipe_free). */
#ifndef GH_CLIENT_SECRET_FILE_H
#define GH_CLIENT_SECRET_FILE_H

#include "base/buf.h"
#include "base/random.h"
#include "gatehouse/secret.h"

enum { GH_PRIVATE_FILE_MAX_BYTES = 64 * 1024, GH_PASSPHRASE_OCTETS = 32 };

/* A new file of mode 0600 with fresh random octets in hexadecimal. GH_EEXIST when it is there. */
GH_MUST_USE gh_err gh_passphrase_new(const char *path, const gh_random *random, gh_diag *diag);
/* Without the line end. GH_EACCES when the file lets others in; GH_EINVAL when it is shorter than 16 octets. */
GH_MUST_USE gh_err gh_passphrase_read(const char *path, gh_buf *out, gh_diag *diag);

/* Mode 0600, durable. `create`: GH_EEXIST when it is there; `replace`: made when it is not there. */
GH_MUST_USE gh_err gh_private_file_create(const char *path, gh_str content, gh_diag *diag);
GH_MUST_USE gh_err gh_private_file_replace(const char *path, gh_str content, gh_diag *diag);
GH_MUST_USE gh_err gh_private_file_read(const char *path, gh_buf *out, gh_diag *diag);

/* A symmetric key as text: hexadecimal or base64 with a line end or without, 16 to 64 octets. The path "-" is
 * standard input; any other must be a file that only its owner may read. */
GH_MUST_USE gh_err gh_key_file_read(const char *path, gh_secret *out, gh_diag *diag);
GH_MUST_USE gh_err gh_key_text_decode(gh_str text, gh_secret *out, gh_diag *diag);
/* 32 fresh random octets, written as hexadecimal to a new file of mode 0600. */
GH_MUST_USE gh_err gh_key_file_generate(const char *path, const gh_random *random, gh_secret *out, gh_diag *diag);

#endif
