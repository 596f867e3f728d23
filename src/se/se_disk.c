/* Owns reading and replacing a file as a whole. Must never write into the file that readers see, follow a symbolic
 * link, or leave a new file readable by others, not even for a moment. */
#include "se/se_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMP_NAME_BYTES = GH_SE_NAME_MAX_BYTES + 32 };

static gh_err of_errno(void)
{
  if (errno == ENOENT) return GH_ENOTFOUND;
  if (errno == EEXIST) return GH_EEXIST;
  if (errno == EACCES || errno == EPERM || errno == ELOOP) return GH_EACCES;
  return GH_EIO;
}

gh_err gh_se_disk_at(const char *path, gh_se_disk *out, gh_diag *diag)
{
  gh_str whole = gh_str_of(path);
  size_t slash = gh_str_rfind(whole, '/');
  gh_str name = slash == SIZE_MAX ? whole : gh_str_sub(whole, slash + 1, whole.len);
  char folder[4096] = ".";
  *out = (gh_se_disk){.dir = -1};
  if (name.len == 0 || name.len > GH_SE_NAME_MAX_BYTES || !gh_str_to_cstr(name, out->name, sizeof(out->name)))
    return gh_fail(diag, GH_EINVAL, "'%s' does not name a file", path);
  if (slash != SIZE_MAX && !gh_str_to_cstr(gh_str_sub(whole, 0, slash + 1), folder, sizeof(folder)))
    return gh_fail(diag, GH_ELIMIT, "the path is too long");
  out->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (out->dir < 0) return gh_fail(diag, of_errno(), "cannot open the folder of '%s'", path);
  return GH_OK;
}

void gh_se_disk_release(gh_se_disk *disk)
{
  if (disk->dir >= 0) close(disk->dir);
  disk->dir = -1;
}

/*= TS-0003 6.3; nobody but the owner reaches the keys at rest */
static gh_err check_mode(int fd, struct stat *st, gh_diag *diag)
{
  GH_REQUIRE(fstat(fd, st) == 0, GH_EIO);
  if (!S_ISREG(st->st_mode)) return gh_fail(diag, GH_EACCES, "not a plain file");
  if (st->st_mode & (S_IRWXG | S_IRWXO))
    return gh_fail(diag, GH_EACCES, "mode %04o lets others in; it must be 0600", (unsigned)(st->st_mode & 07777));
  if (st->st_uid != geteuid() && geteuid() != 0) return gh_fail(diag, GH_EACCES, "the file belongs to another user");
  return GH_OK;
}

static gh_err open_checked(const gh_se_disk *disk, struct stat *st, int *out, gh_diag *diag)
{
  int fd = openat(disk->dir, disk->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return gh_fail(diag, of_errno(), "cannot open '%s'", disk->name);
  gh_err err = check_mode(fd, st, diag);
  if (err != GH_OK) {
    close(fd);
    return err;
  }
  *out = fd;
  return GH_OK;
}

static gh_err read_all(int fd, size_t len, gh_buf *out)
{
  while (len > 0) {
    ssize_t got = read(fd, gh_buf_reserve(out, len), len);
    if (got < 0 && errno == EINTR) continue;
    GH_REQUIRE(got > 0, GH_EIO);
    gh_buf_added(out, (size_t)got);
    len -= (size_t)got;
  }
  return GH_OK;
}

gh_err gh_se_disk_read(const gh_se_disk *disk, size_t max, gh_buf *out, gh_diag *diag)
{
  struct stat st = {0};
  int fd = -1;
  GH_TRY(open_checked(disk, &st, &fd, diag));
  gh_err err = st.st_size >= 0 && (uint64_t)st.st_size <= max ? GH_OK : GH_ELIMIT;
  if (err == GH_OK) err = read_all(fd, (size_t)st.st_size, out);
  close(fd);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "cannot read '%s'", disk->name);
}

/* ---- writing */

static gh_err write_all(int fd, gh_str content)
{
  while (content.len > 0) {
    ssize_t put = write(fd, content.ptr, content.len);
    if (put < 0 && errno == EINTR) continue;
    GH_REQUIRE(put > 0, GH_EIO);
    content = gh_str_sub(content, (size_t)put, content.len);
  }
  return fsync(fd) == 0 ? GH_OK : GH_EIO;
}

static gh_err write_temp(const gh_se_disk *disk, const char *temp, gh_str content)
{
  unlinkat(disk->dir, temp, 0); /* what a killed process left behind */
  int fd = openat(disk->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
  GH_REQUIRE(fd >= 0, of_errno());
  gh_err err = write_all(fd, content);
  int why = errno;
  if (close(fd) != 0 && err == GH_OK) return GH_EIO;
  errno = why;
  return err;
}

/* flags: 0, or RENAME_NOREPLACE */
static gh_err put_in_place(const gh_se_disk *disk, const char *temp, gh_str content, unsigned flags)
{
  gh_err err = write_temp(disk, temp, content);
  if (err == GH_OK && renameat2(disk->dir, temp, disk->dir, disk->name, flags) != 0) err = of_errno();
  if (err != GH_OK) {
    int why = errno;
    unlinkat(disk->dir, temp, 0);
    errno = why;
    return err;
  }
  return fsync(disk->dir) == 0 ? GH_OK : GH_EIO;
}

gh_err gh_se_disk_create(const gh_se_disk *disk, gh_str content)
{
  char temp[TEMP_NAME_BYTES];
  snprintf(temp, sizeof(temp), ".%s.%ld.new", disk->name, (long)getpid());
  return put_in_place(disk, temp, content, RENAME_NOREPLACE);
}

gh_err gh_se_disk_replace(const gh_se_disk *disk, gh_str content)
{
  char temp[TEMP_NAME_BYTES];
  snprintf(temp, sizeof(temp), ".%s.new", disk->name);
  return put_in_place(disk, temp, content, 0);
}

static bool still_in_place(const gh_se_disk *disk, const struct stat *locked)
{
  struct stat now;
  return fstatat(disk->dir, disk->name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == locked->st_dev &&
         now.st_ino == locked->st_ino;
}

/* The file is replaced while others wait for its lock: whoever gets the lock of a file that is gone asks again. */
gh_err gh_se_disk_lock(const gh_se_disk *disk, int *lock)
{
  for (;;) {
    struct stat st = {0};
    int fd = -1;
    GH_TRY(open_checked(disk, &st, &fd, NULL));
    int result;
    do result = flock(fd, LOCK_EX);
    while (result != 0 && errno == EINTR);
    if (result == 0 && still_in_place(disk, &st)) {
      *lock = fd;
      return GH_OK;
    }
    close(fd);
    GH_REQUIRE(result == 0, GH_EIO);
  }
}

void gh_se_disk_unlock(int lock)
{
  close(lock);
}
