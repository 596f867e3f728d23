/* Structured log lines, JSON or text, one write() an event. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVENT_MAX = 4096, TAIL_BYTES = 16 }; /* the tail closes a line that was cut */

typedef struct line {
  char text[EVENT_MAX];
  size_t len;
  bool cut;
} line;

/* All of it or nothing, and nothing behind it then: a cut never falls into an escape or a character. */
static void put_unit(line *l, const char *octets, size_t count)
{
  if (l->cut || l->len + count > EVENT_MAX - TAIL_BYTES) {
    l->cut = true;
    return;
  }
  memcpy(l->text + l->len, octets, count);
  l->len += count;
}

static void put(line *l, char c)
{
  put_unit(l, &c, 1);
}

static void put_text(line *l, const char *s)
{
  put_unit(l, s, strlen(s));
}

/* Into the tail. */
static void put_end(line *l, const char *s)
{
  while (*s) l->text[l->len++] = *s++;
}

/* Octets of the UTF-8 character that s begins with; 0: it is none (RFC 3629). */
static size_t utf8_length(gh_str s, uint32_t *code)
{
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  uint8_t first = (uint8_t)s.ptr[0];
  size_t len = first < 0x80 ? 1 : first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
  if (len == 0 || len > s.len || first >= 0xf8) return 0;
  *code = len == 1 ? first : first & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if (((uint8_t)s.ptr[i] & 0xc0) != 0x80) return 0;
    *code = *code << 6 | ((uint8_t)s.ptr[i] & 0x3f);
  }
  bool ok = *code >= smallest[len] && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff);
  return ok ? len : 0;
}

/* Controls of ASCII and Latin-1, and the line separators of Unicode: what could end a line or drive a terminal. */
static bool must_escape(uint32_t code)
{
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
}

/* Escapes as JSON does; the same in text lines, so that a client cannot forge a line. An octet that is no UTF-8 is
 * shown as \\xff. */
static void put_escaped(line *l, gh_str s)
{
  char escape[8];
  for (size_t i = 0; i < s.len;) {
    uint32_t code = 0;
    size_t len = utf8_length(gh_str_sub(s, i, 4), &code);
    if (len == 0) {
      snprintf(escape, sizeof escape, "\\\\x%02x", (uint8_t)s.ptr[i]);
      put_text(l, escape);
      len = 1;
    } else if (must_escape(code)) {
      snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff);
      put_text(l, escape);
    } else if (code == '"' || code == '\\') {
      put_unit(l, (char[]){'\\', (char)code}, 2);
    } else {
      put_unit(l, s.ptr + i, len);
    }
    i += len;
  }
}

static void put_time(line *l, const gh_log *log)
{
  int64_t us = gh_clock_wall_us(&log->clock);
  time_t seconds = (time_t)(us / GH_US_PER_S);
  struct tm tm;
  char text[40];
  gmtime_r(&seconds, &tm);
  size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(text + n, sizeof text - n, ".%06dZ", (int)(us % GH_US_PER_S));
  put_text(l, text);
}

static const char *level_name(gh_log_level level)
{
  switch (level) {
  case GH_LOG_DEBUG: return "debug";
  case GH_LOG_INFO: return "info";
  case GH_LOG_WARN: return "warn";
  case GH_LOG_ERROR: return "error";
  case GH_LOG_OFF: return "off";
  }
  return "?";
}

static void put_value(line *l, const gh_field *field, bool always_quote)
{
  char number[24];
  switch (field->kind) {
  case GH_FIELD_STR: {
    bool quote = always_quote || field->str.len == 0 || gh_str_find(field->str, ' ') != SIZE_MAX;
    if (quote) put(l, '"');
    bool opened = quote && !l->cut;
    put_escaped(l, field->str);
    if (opened) put_end(l, "\"");
    break;
  }
  case GH_FIELD_INT:
    snprintf(number, sizeof number, "%lld", (long long)field->num);
    put_text(l, number);
    break;
  case GH_FIELD_BOOL: put_text(l, field->num ? "true" : "false"); break;
  }
}

/* Of the field that was cut only text is kept: half a name or number would say something else. */
static void drop_if_cut(line *l, size_t begin, const gh_field *field, size_t head)
{
  if (l->cut && (field->kind != GH_FIELD_STR || l->len <= begin + head)) l->len = begin;
}

static void format_json(line *l, const gh_log *log, gh_log_level level, const char *event, const gh_field *fields,
                        size_t count)
{
  put_text(l, "{\"time\":\"");
  put_time(l, log);
  put_text(l, "\",\"level\":\"");
  put_text(l, level_name(level));
  if (log->component) {
    put_text(l, "\",\"component\":\"");
    put_text(l, log->component);
  }
  put_text(l, "\",\"event\":\"");
  put_text(l, event);
  put(l, '"');
  for (size_t i = 0; i < count && !l->cut; i++) {
    size_t begin = l->len;
    put_text(l, ",\"");
    put_text(l, fields[i].key);
    put_text(l, "\":");
    put_value(l, &fields[i], true);
    drop_if_cut(l, begin, &fields[i], strlen(fields[i].key) + 5); /* ,"key":" */
  }
  put_end(l, l->cut ? ",\"cut\":true}" : "}");
}

static void format_text(line *l, const gh_log *log, gh_log_level level, const char *event, const gh_field *fields,
                        size_t count)
{
  put_time(l, log);
  put(l, ' ');
  put_text(l, level_name(level));
  put(l, ' ');
  if (log->component) {
    put_text(l, log->component);
    put_text(l, ": ");
  }
  put_text(l, event);
  for (size_t i = 0; i < count && !l->cut; i++) {
    size_t begin = l->len;
    put(l, ' ');
    put_text(l, fields[i].key);
    put(l, '=');
    put_value(l, &fields[i], false);
    drop_if_cut(l, begin, &fields[i], strlen(fields[i].key) + 2); /* " key=" */
  }
  if (l->cut) put_end(l, " cut=true");
}

void gh_log_event(const gh_log *log, gh_log_level level, const char *event, const gh_field *fields, size_t count)
{
  if (!log || level < log->level) return;
  line l;
  l.len = 0;
  l.cut = false;
  switch (log->format) {
  case GH_LOG_JSON: format_json(&l, log, level, event, fields, count); break;
  case GH_LOG_TEXT: format_text(&l, log, level, event, fields, count); break;
  }
  l.text[l.len++] = '\n';
  ssize_t written = write(log->fd, l.text, l.len);
  (void)written; /* a log that cannot be written must not stop the service */
}
