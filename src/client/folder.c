/* Private folders. */
#include "client/folder.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_empty(const char *path)
{
  DIR *dir = opendir(path);
  if (!dir) return false;
  int entries = 0;
  while (entries <= 2 && readdir(dir)) entries++;
  closedir(dir);
  return entries <= 2; /* "." and ".." */
}

gh_err gh_folder_new(const char *path, bool *made, gh_diag *diag)
{
  bool fresh = mkdir(path, S_IRWXU) == 0;
  if (made) *made = fresh;
  if (fresh) return GH_OK;
  if (errno != EEXIST) return gh_fail(diag, GH_EACCES, "cannot make the folder %s: %s", path, strerror(errno));
  if (!is_empty(path)) return gh_fail(diag, GH_EEXIST, "%s is there and not an empty folder", path);
  if (chmod(path, S_IRWXU) != 0)
    return gh_fail(diag, GH_EACCES, "cannot close the folder %s to others: %s", path, strerror(errno));
  return GH_OK;
}

gh_err gh_folder_check(const char *path, gh_diag *diag)
{
  struct stat st;
  if (stat(path, &st) != 0)
    return gh_fail(diag, errno == ENOENT ? GH_ENOTFOUND : GH_EACCES, "%s: %s", path, strerror(errno));
  if (!S_ISDIR(st.st_mode)) return gh_fail(diag, GH_EINVAL, "%s is not a folder", path);
  if (st.st_mode & (S_IRWXG | S_IRWXO))
    return gh_fail(diag, GH_EACCES, "%s: mode %04o lets others in; it must be 0700", path,
                   (unsigned)(st.st_mode & 07777));
  if (st.st_uid != geteuid() && geteuid() != 0) return gh_fail(diag, GH_EACCES, "%s belongs to another user", path);
  return GH_OK;
}
