/* A small file that is always replaced as a whole: either the old or the new content is there, whatever happens in
 * between. It stands relative to an open folder, so that a changed working directory does not matter. */
#ifndef GH_SE_SE_DISK_H
#define GH_SE_SE_DISK_H

#include "base/buf.h"

enum { GH_SE_NAME_MAX_BYTES = 200 };

typedef struct gh_se_disk {
  int dir;                             /* folder, or -1 */
  char name[GH_SE_NAME_MAX_BYTES + 1]; /* of the file in it */
} gh_se_disk;

GH_MUST_USE gh_err gh_se_disk_at(const char *path, gh_se_disk *out, gh_diag *diag);
void gh_se_disk_release(gh_se_disk *disk);

/* GH_ENOTFOUND; GH_EACCES unless it is a plain file of this user that nobody else may read or write; GH_ELIMIT
 * over `max` octets; GH_EIO. */
GH_MUST_USE gh_err gh_se_disk_read(const gh_se_disk *disk, size_t max, gh_buf *out, gh_diag *diag);
/* GH_EEXIST when the file is there. Durable when it returns GH_OK. With GH_EIO errno says why, and so it does behind
 * gh_se_disk_replace. */
GH_MUST_USE gh_err gh_se_disk_create(const gh_se_disk *disk, gh_str content);
/* Between lock and unlock no other process changes the file. */
GH_MUST_USE gh_err gh_se_disk_lock(const gh_se_disk *disk, int *lock);
void gh_se_disk_unlock(int lock);
/* Only under the lock. Durable when it returns GH_OK. */
GH_MUST_USE gh_err gh_se_disk_replace(const gh_se_disk *disk, gh_str content);

#endif
