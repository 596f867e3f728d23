/* Folders that only their owner may enter. */
#ifndef GH_CLIENT_FOLDER_H
#define GH_CLIENT_FOLDER_H

#include <stdbool.h>

#include "gatehouse/error.h"

/* Makes a folder of mode 0700, or takes one that is there and empty. GH_EEXIST when it is not empty. *made (may be
 * NULL): it was not there before. */
GH_MUST_USE gh_err gh_folder_new(const char *path, bool *made, gh_diag *diag);
/* GH_EACCES when others may enter it, or it belongs to another user; GH_ENOTFOUND. */
GH_MUST_USE gh_err gh_folder_check(const char *path, gh_diag *diag);

#endif
