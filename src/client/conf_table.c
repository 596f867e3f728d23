/* Reading settings through their tables. Never guesses: what the table does not know is an error. */
#include "client/conf_table.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static gh_err read_file(int fd, size_t size, char *text)
{
  for (size_t have = 0; have < size;) {
    ssize_t got = read(fd, text + have, size - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return GH_EIO;
    have += (size_t)got;
  }
  text[size] = '\0';
  return memchr(text, '\0', size) ? GH_ESYNTAX : GH_OK;
}

static gh_err check_file(int fd, const char *path, struct stat *st, gh_diag *diag)
{
  if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode)) return gh_fail(diag, GH_EIO, "%s is not a plain file", path);
  if (st->st_mode & (S_IWGRP | S_IWOTH))
    return gh_fail(diag, GH_EACCES, "%s: others may write to it (mode %04o)", path, (unsigned)(st->st_mode & 07777));
  if (st->st_size > GH_CONF_MAX_BYTES)
    return gh_fail(diag, GH_ELIMIT, "%s is larger than %d octets", path, GH_CONF_MAX_BYTES);
  return GH_OK;
}

static gh_err load(const char *path, char **text, gh_diag *diag)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return gh_fail(diag, errno == ENOENT ? GH_ENOTFOUND : GH_EACCES, "cannot open %s: %s", path, strerror(errno));
  struct stat st;
  gh_err err = check_file(fd, path, &st, diag);
  if (err == GH_OK) {
    *text = gh_malloc((size_t)st.st_size + 1);
    err = read_file(fd, (size_t)st.st_size, *text);
    if (err != GH_OK) {
      free(*text);
      gh_fail(diag, err, "cannot read %s", path);
    }
  }
  close(fd);
  return err;
}

gh_err gh_conf_open(const char *path, gh_conf *out, gh_diag *diag)
{
  *out = (gh_conf){.path = path};
  char *text = NULL;
  GH_TRY(load(path, &text, diag));
  out->config = gh_calloc(1, sizeof *out->config);
  config_init(out->config);
  gh_err err = GH_OK;
  if (config_read_string(out->config, text) != CONFIG_TRUE)
    err =
        gh_fail(diag, GH_ESYNTAX, "%s:%d: %s", path, config_error_line(out->config), config_error_text(out->config));
  free(text);
  if (err != GH_OK) gh_conf_close(out);
  return err;
}

void gh_conf_close(gh_conf *conf)
{
  if (!conf->config) return;
  config_destroy(conf->config);
  free(conf->config);
  conf->config = NULL;
}

config_setting_t *gh_conf_root(const gh_conf *conf)
{
  return config_root_setting(conf->config);
}

config_setting_t *gh_conf_group(config_setting_t *parent, const char *name)
{
  config_setting_t *member = config_setting_get_member(parent, name);
  return member && config_setting_is_group(member) ? member : NULL;
}

config_setting_t *gh_conf_nth(config_setting_t *group, unsigned i, gh_str *name)
{
  config_setting_t *member = config_setting_get_elem(group, i);
  if (member) *name = gh_str_of(config_setting_name(member));
  return member;
}

/* "functions.mef.listen" */
static void path_of(config_setting_t *at, char *out, size_t size)
{
  out[0] = '\0';
  for (; at && !config_setting_is_root(at); at = config_setting_parent(at)) {
    char longer[200];
    const char *name = config_setting_name(at);
    if (snprintf(longer, sizeof longer, "%s%s%s", name ? name : "()", out[0] ? "." : "", out) >= (int)sizeof longer)
      return;
    if (snprintf(out, size, "%s", longer) >= (int)size) return;
  }
}

gh_err gh_conf_fail(const gh_conf *conf, config_setting_t *at, gh_diag *diag, const char *what)
{
  char path[200];
  path_of(at, path, sizeof path);
  return gh_fail(diag, GH_ESYNTAX, "%s:%u: setting '%s' %s", conf->path, config_setting_source_line(at), path, what);
}

static bool printable(gh_str text)
{
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) return false;
  return true;
}

/* One reading: what travels with it. */
typedef struct reading {
  const gh_conf *conf;
  gh_arena *arena;
  gh_diag *diag;
} reading;

static gh_err wrong(const reading *r, config_setting_t *at, const gh_conf_key *key, const char *type)
{
  char what[120];
  snprintf(what, sizeof what, "must be %s", key->expects ? key->expects : type);
  return gh_conf_fail(r->conf, at, r->diag, what);
}

static gh_err read_text(const reading *r, config_setting_t *at, const gh_conf_key *key, gh_str *out)
{
  gh_str text = gh_str_of(config_setting_get_string(at));
  if (config_setting_type(at) != CONFIG_TYPE_STRING || !printable(text) || (key->valid && !key->valid(text)))
    return wrong(r, at, key, "text");
  *out = gh_arena_dup(r->arena, text);
  return GH_OK;
}

static gh_err read_number(const reading *r, config_setting_t *at, const gh_conf_key *key, int64_t *out)
{
  int type = config_setting_type(at);
  if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) return wrong(r, at, key, "a whole number");
  int64_t value = config_setting_get_int64(at);
  if (value < key->min || value > key->max) {
    char what[80];
    snprintf(what, sizeof what, "must be %lld to %lld", (long long)key->min, (long long)key->max);
    return gh_conf_fail(r->conf, at, r->diag, what);
  }
  *out = value;
  return GH_OK;
}

static gh_err read_texts(const reading *r, config_setting_t *at, const gh_conf_key *key, gh_conf_list *out)
{
  if (!config_setting_is_array(at) && !config_setting_is_list(at))
    return wrong(r, at, key, "a list of texts: [ \"...\" ]");
  out->count = (size_t)config_setting_length(at);
  out->items = GH_NEW_ARRAY(r->arena, gh_str, out->count + 1);
  for (size_t i = 0; i < out->count; i++)
    GH_TRY(read_text(r, config_setting_get_elem(at, (unsigned)i), key, &out->items[i]));
  return GH_OK;
}

static gh_err read_group(const reading *r, config_setting_t *group, const gh_conf_table *table, void *out);

static gh_err read_one(const reading *r, config_setting_t *at, const gh_conf_key *key, void *out)
{
  void *field = (char *)out + key->offset;
  switch (key->kind) {
  case GH_CONF_TEXT: return read_text(r, at, key, field);
  case GH_CONF_NUMBER: return read_number(r, at, key, field);
  case GH_CONF_SWITCH:
    if (config_setting_type(at) != CONFIG_TYPE_BOOL) return wrong(r, at, key, "true or false");
    *(bool *)field = config_setting_get_bool(at);
    return GH_OK;
  case GH_CONF_TEXTS: return read_texts(r, at, key, field);
  case GH_CONF_GROUP:
    if (!config_setting_is_group(at)) return wrong(r, at, key, "a group: { ... }");
    return read_group(r, at, key->group, field);
  case GH_CONF_OWN: return config_setting_is_group(at) ? GH_OK : wrong(r, at, key, "a group: { ... }");
  }
  return GH_EINTERNAL;
}

static const gh_conf_key *key_of(const gh_conf_table *table, const char *name)
{
  for (size_t i = 0; i < table->count; i++)
    if (name && strcmp(table->keys[i].name, name) == 0) return &table->keys[i];
  return NULL;
}

static gh_err check_complete(const reading *r, config_setting_t *group, const gh_conf_table *table)
{
  for (size_t i = 0; i < table->count; i++) {
    const gh_conf_key *key = &table->keys[i];
    bool needed = !key->fallback && key->kind != GH_CONF_GROUP;
    if (!needed || config_setting_get_member(group, key->name)) continue;
    char what[120];
    snprintf(what, sizeof what, "lacks '%s'", key->name);
    if (config_setting_is_root(group))
      return gh_fail(r->diag, GH_ESYNTAX, "%s: setting '%s' is missing", r->conf->path, key->name);
    return gh_conf_fail(r->conf, group, r->diag, what);
  }
  return GH_OK;
}

static gh_err read_group(const reading *r, config_setting_t *group, const gh_conf_table *table, void *out)
{
  for (int i = 0; i < config_setting_length(group); i++) {
    config_setting_t *at = config_setting_get_elem(group, (unsigned)i);
    const gh_conf_key *key = key_of(table, config_setting_name(at));
    if (!key) return gh_conf_fail(r->conf, at, r->diag, "is unknown");
    GH_TRY(read_one(r, at, key, out));
  }
  return check_complete(r, group, table);
}

gh_err gh_conf_read(const gh_conf *conf, config_setting_t *group, const gh_conf_table *table, gh_arena *arena,
                    void *out, gh_diag *diag)
{
  reading r = {conf, arena, diag};
  gh_conf_defaults(table, out);
  return read_group(&r, group, table, out);
}

void gh_conf_defaults(const gh_conf_table *table, void *out)
{
  for (size_t i = 0; i < table->count; i++) {
    const gh_conf_key *key = &table->keys[i];
    void *field = (char *)out + key->offset;
    if (key->kind == GH_CONF_GROUP) gh_conf_defaults(key->group, field);
    if (!key->fallback) continue;
    if (key->kind == GH_CONF_TEXT) *(gh_str *)field = gh_str_of(key->fallback);
    if (key->kind == GH_CONF_TEXTS) *(gh_conf_list *)field = (gh_conf_list){0};
    if (key->kind == GH_CONF_NUMBER) *(int64_t *)field = strtoll(key->fallback, NULL, 10);
    if (key->kind == GH_CONF_SWITCH) *(bool *)field = strcmp(key->fallback, "true") == 0;
  }
}
