/* Structured log: one event a line, as JSON or as text. A field is made by GH_F(key, value), which has
 * no case for gh_secret or raw octets: a secret cannot be printed by mistake, it does not compile. */
#ifndef GH_BASE_LOG_H
#define GH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "gatehouse/error.h"
#include "gatehouse/str.h"

typedef enum gh_log_level { GH_LOG_DEBUG, GH_LOG_INFO, GH_LOG_WARN, GH_LOG_ERROR, GH_LOG_OFF } gh_log_level;
typedef enum gh_log_format { GH_LOG_TEXT, GH_LOG_JSON } gh_log_format;

typedef struct gh_log {
  gh_log_level level; /* events below are dropped */
  gh_log_format format;
  int fd; /* each event is one write() */
  gh_clock clock;
  const char *component; /* "cse", "mef", ...; may be NULL */
} gh_log;

typedef struct gh_field {
  const char *key;
  enum { GH_FIELD_STR, GH_FIELD_INT, GH_FIELD_BOOL } kind;
  gh_str str;
  int64_t num;
} gh_field;

static inline gh_field gh_field_str(const char *key, gh_str v)
{
  return (gh_field){.key = key, .kind = GH_FIELD_STR, .str = v};
}
static inline gh_field gh_field_cstr(const char *key, const char *v)
{
  return (gh_field){.key = key, .kind = GH_FIELD_STR, .str = gh_str_of(v)};
}
static inline gh_field gh_field_int(const char *key, int64_t v)
{
  return (gh_field){.key = key, .kind = GH_FIELD_INT, .num = v};
}
static inline gh_field gh_field_bool(const char *key, bool v)
{
  return (gh_field){.key = key, .kind = GH_FIELD_BOOL, .num = v};
}
static inline gh_field gh_field_err(const char *key, gh_err v)
{
  return gh_field_cstr(key, gh_err_name(v));
}

static inline gh_field gh_field_uint(const char *key, uint64_t v)
{
  return gh_field_int(key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

/* clang-format off */
#define GH_F(key, value)             \
  _Generic((value),                  \
    gh_str: gh_field_str,            \
    char *: gh_field_cstr,           \
    const char *: gh_field_cstr,     \
    bool: gh_field_bool,             \
    int: gh_field_int,               \
    long: gh_field_int,              \
    long long: gh_field_int,         \
    unsigned short: gh_field_uint,   \
    unsigned: gh_field_uint,         \
    unsigned long: gh_field_uint,    \
    unsigned long long: gh_field_uint)((key), (value))
/* clang-format on */

/* Writes one event. Control characters are escaped; an event is cut at 4 KiB. log may be NULL. */
void gh_log_event(const gh_log *log, gh_log_level level, const char *event, const gh_field *fields, size_t count);

#define GH_LOG(log, severity, name, ...)                                                                             \
  do {                                                                                                               \
    const gh_log *gh_log_ = (log);                                                                                   \
    if (gh_log_ && (severity) >= gh_log_->level) {                                                                   \
      gh_field gh_fields_[] = {__VA_ARGS__};                                                                         \
      gh_log_event(gh_log_, (severity), (name), gh_fields_, sizeof(gh_fields_) / sizeof(gh_field));                  \
    }                                                                                                                \
  } while (0)

#endif
