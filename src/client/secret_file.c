/* Private files on disk. Must never create one that others can read, nor put a secret into an error text. */
#include "client/secret_file.h"

#include <errno.h>
#include <unistd.h>

#include "base/encoding.h"
#include "se/se_disk.h"

enum { PASSPHRASE_MIN_BYTES = 16, KEY_MIN_BYTES = 16, KEY_NEW_BYTES = 32 };

static gh_str trimmed(gh_str text)
{
  while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) text.len--;
  return text;
}

/* "No space left on device" tells more than "input-output". */
static const char *reason(gh_err err)
{
  return err == GH_EIO && errno ? strerror(errno) : gh_err_name(err);
}

gh_err gh_private_file_create(const char *path, gh_str content, gh_diag *diag)
{
  gh_se_disk disk;
  GH_TRY(gh_se_disk_at(path, &disk, diag));
  gh_err err = gh_se_disk_create(&disk, content);
  const char *text = reason(err);
  gh_se_disk_release(&disk);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "cannot create %s: %s", path, text);
}

static gh_err replace(const gh_se_disk *disk, gh_str content)
{
  int lock;
  gh_err err = gh_se_disk_lock(disk, &lock);
  if (err == GH_ENOTFOUND) return gh_se_disk_create(disk, content);
  if (err != GH_OK) return err;
  err = gh_se_disk_replace(disk, content);
  gh_se_disk_unlock(lock);
  return err;
}

gh_err gh_private_file_replace(const char *path, gh_str content, gh_diag *diag)
{
  gh_se_disk disk;
  GH_TRY(gh_se_disk_at(path, &disk, diag));
  gh_err err = replace(&disk, content);
  const char *text = reason(err);
  gh_se_disk_release(&disk);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "cannot write %s: %s", path, text);
}

gh_err gh_private_file_read(const char *path, gh_buf *out, gh_diag *diag)
{
  gh_se_disk disk;
  gh_diag why = {""};
  GH_TRY(gh_se_disk_at(path, &disk, diag));
  gh_err err = gh_se_disk_read(&disk, GH_PRIVATE_FILE_MAX_BYTES, out, &why);
  gh_se_disk_release(&disk);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "%s: %s", path, why.text);
}

static gh_err new_random_hex(const char *path, const gh_random *random, uint8_t *octets, size_t len, gh_diag *diag)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_err err = gh_random_fill(random, octets, len);
  if (err == GH_OK) {
    gh_str hex = gh_hex_lower(&arena, octets, len);
    gh_str line = gh_arena_fmt(&arena, "%.*s\n", GH_STR_ARG(hex));
    err = gh_private_file_create(path, line, diag);
    gh_wipe((void *)(uintptr_t)hex.ptr, hex.len);
    gh_wipe((void *)(uintptr_t)line.ptr, line.len);
  } else {
    gh_fail(diag, err, "no randomness");
  }
  gh_arena_free(&arena);
  return err;
}

gh_err gh_passphrase_new(const char *path, const gh_random *random, gh_diag *diag)
{
  uint8_t octets[GH_PASSPHRASE_OCTETS];
  gh_err err = new_random_hex(path, random, octets, sizeof octets, diag);
  gh_wipe(octets, sizeof octets);
  return err;
}

gh_err gh_passphrase_read(const char *path, gh_buf *out, gh_diag *diag)
{
  GH_TRY(gh_private_file_read(path, out, diag));
  out->len = trimmed(gh_buf_str(out)).len;
  if (out->len >= PASSPHRASE_MIN_BYTES) return GH_OK;
  return gh_fail(diag, GH_EINVAL, "%s: a passphrase needs at least %d octets", path, PASSPHRASE_MIN_BYTES);
}

gh_err gh_key_text_decode(gh_str text, gh_secret *out, gh_diag *diag)
{
  uint8_t octets[GH_SECRET_MAX_BYTES];
  size_t len = 0;
  text = trimmed(text);
  gh_err err = gh_hex_decode(text, octets, sizeof octets, &len);
  if (err != GH_OK) err = gh_base64_decode(text, octets, sizeof octets, &len);
  if (err != GH_OK)
    gh_fail(diag, err, "a key must be hexadecimal or base64, at most %d octets", GH_SECRET_MAX_BYTES);
  else if (len < KEY_MIN_BYTES)
    err = gh_fail(diag, GH_EINVAL, "a key must have at least %d octets", KEY_MIN_BYTES);
  if (err == GH_OK) err = gh_secret_set(out, octets, len);
  gh_wipe(octets, sizeof octets);
  return err;
}

static gh_err read_stdin(gh_buf *out, gh_diag *diag)
{
  while (out->len <= GH_SECRET_MAX_BYTES * 4) {
    ssize_t got = read(STDIN_FILENO, gh_buf_reserve(out, 256), 256);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return gh_fail(diag, GH_EIO, "cannot read standard input");
    if (got == 0) return GH_OK;
    gh_buf_added(out, (size_t)got);
  }
  return gh_fail(diag, GH_ELIMIT, "standard input is too long for a key");
}

gh_err gh_key_file_read(const char *path, gh_secret *out, gh_diag *diag)
{
  gh_buf text = GH_BUF_INIT;
  gh_err err = strcmp(path, "-") == 0 ? read_stdin(&text, diag) : gh_private_file_read(path, &text, diag);
  gh_diag why = {""};
  if (err == GH_OK && (err = gh_key_text_decode(gh_buf_str(&text), out, &why)) != GH_OK)
    gh_fail(diag, err, "%s: %s", strcmp(path, "-") == 0 ? "standard input" : path, why.text);
  gh_buf_wipe_free(&text);
  return err;
}

gh_err gh_key_file_generate(const char *path, const gh_random *random, gh_secret *out, gh_diag *diag)
{
  uint8_t octets[KEY_NEW_BYTES];
  gh_err err = new_random_hex(path, random, octets, sizeof octets, diag);
  if (err == GH_EEXIST) gh_fail(diag, err, "%s exists: take it with --key-file, or name another file", path);
  if (err == GH_OK) err = gh_secret_set(out, octets, sizeof octets);
  gh_wipe(octets, sizeof octets);
  return err;
}
