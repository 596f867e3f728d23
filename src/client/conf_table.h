/* Configuration files as tables: name, type, default and comment of every setting stand in one place, which reading,
 * checking and writing walk. libconfig syntax; strict: an unknown, missing or badly typed setting is an error with
 * file and line. */
#ifndef GH_CLIENT_CONF_TABLE_H
#define GH_CLIENT_CONF_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct config_t config_t;
typedef struct config_setting_t config_setting_t;

typedef enum gh_conf_kind {
  GH_CONF_TEXT,   /* gh_str, NUL-terminated behind its length */
  GH_CONF_NUMBER, /* int64_t, min..max */
  GH_CONF_SWITCH, /* bool */
  GH_CONF_TEXTS,  /* gh_conf_list */
  GH_CONF_GROUP,  /* a struct with a table of its own */
  GH_CONF_OWN     /* a group that the caller reads and writes */
} gh_conf_kind;

typedef struct gh_conf_list {
  gh_str *items;
  size_t count;
} gh_conf_list;

typedef struct gh_conf_key gh_conf_key;

typedef struct gh_conf_table {
  const gh_conf_key *keys;
  size_t count;
} gh_conf_table;

struct gh_conf_key {
  const char *name;
  gh_conf_kind kind;
  size_t offset;        /* in the struct that is filled */
  const char *fallback; /* the default as text, of TEXTS always an empty list; NULL: the setting must be there */
  int64_t min, max;     /* NUMBER */
  bool (*valid)(gh_str text); /* TEXT, each of TEXTS; NULL: any printable text */
  const char *expects;        /* for the message: "an FQDN" */
  const gh_conf_table *group; /* GROUP */
  const char *comment;        /* one line a line of the file; NULL: none */
};

/* Bound of a configuration file, octets. */
enum { GH_CONF_MAX_BYTES = 256 * 1024 };

/* Opens and parses a file; release with gh_conf_close. GH_ESYNTAX with file and line, GH_ENOTFOUND, GH_EACCES when
 * others may write to it. */
typedef struct gh_conf {
  config_t *config;
  const char *path; /* for messages; must outlive this */
} gh_conf;
GH_MUST_USE gh_err gh_conf_open(const char *path, gh_conf *out, gh_diag *diag);
void gh_conf_close(gh_conf *conf);
config_setting_t *gh_conf_root(const gh_conf *conf);
/* A member that is a group; NULL. */
config_setting_t *gh_conf_group(config_setting_t *parent, const char *name);
/* Members of a group in order; NULL behind the last. */
config_setting_t *gh_conf_nth(config_setting_t *group, unsigned i, gh_str *name);
/* GH_ESYNTAX with "file:line: setting 'a.b' ...". */
gh_err gh_conf_fail(const gh_conf *conf, config_setting_t *at, gh_diag *diag, const char *what);

/* Fills `out` from a group. Text lives in the arena. */
GH_MUST_USE gh_err gh_conf_read(const gh_conf *conf, config_setting_t *group, const gh_conf_table *table,
                                gh_arena *arena, void *out, gh_diag *diag);
/* Fills what has a default. */
void gh_conf_defaults(const gh_conf_table *table, void *out);
/* Writes every setting, with its comment when asked, GH_CONF_OWN ones excepted; `indent` in blanks. */
void gh_conf_write(gh_buf *out, const gh_conf_table *table, const void *in, int indent, bool comments);

#endif
