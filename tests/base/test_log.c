/* Log: every JSON event is one line of valid JSON whatever a client put into its fields, no client can forge a line,
 * an event is cut at 4 KiB. That a secret cannot be logged at all is shown by compiling secret_in_log.c (TP-19). */
#include "../m2m/cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum { EVENT_MAX = 4096 };

static char written[16 * EVENT_MAX];
static gh_clock_fixed noon = {.now_us = INT64_C(1700000000123456)};

typedef struct capture {
  gh_log log;
  int read_end;
} capture;

static capture begin(gh_log_format format)
{
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  return (capture){
      {.level = GH_LOG_DEBUG, .format = format, .fd = ends[1], .clock = gh_clock_of_fixed(&noon), .component = "cse"},
      ends[0]};
}

static gh_str end(capture *c)
{
  close(c->log.fd);
  size_t len = 0;
  for (ssize_t got; (got = read(c->read_end, written + len, sizeof written - len)) > 0;) len += (size_t)got;
  close(c->read_end);
  return (gh_str){written, len};
}

/* One event with one text field; the line without its newline, which must be the only one. */
static gh_str event_of(gh_log_format format, gh_str value)
{
  capture c = begin(format);
  GH_LOG(&c.log, GH_LOG_INFO, "event", GH_F("value", value), GH_F("behind", 7));
  gh_str line = end(&c);
  assert_true(line.len > 0 && line.len <= EVENT_MAX);
  assert_int_equal(gh_str_find(line, '\n'), line.len - 1);
  return gh_str_sub(line, 0, line.len - 1);
}

static json_t *parse(gh_str line)
{
  json_error_t error;
  json_t *root = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (!root) fail_msg("%s in %.*s", error.text, GH_STR_ARG(line));
  return root;
}

static void both_formats(void **state)
{
  (void)state;
  bool yes = true, no = false;
  capture c = begin(GH_LOG_JSON);
  GH_LOG(&c.log, GH_LOG_WARN, "refused", GH_F("to", GH_STR("cse-in")), GH_F("rsc", 4103), GH_F("ok", no),
         GH_F("big", UINT64_MAX), GH_F("none", GH_STR_NONE), GH_F("cstr", (const char *)NULL));
  gh_str line = end(&c);
  assert_str(
      line,
      "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warn\",\"component\":\"cse\",\"event\":\"refused\","
      "\"to\":\"cse-in\",\"rsc\":4103,\"ok\":false,\"big\":9223372036854775807,\"none\":\"\",\"cstr\":\"\"}\n");
  c = begin(GH_LOG_TEXT);
  GH_LOG(&c.log, GH_LOG_WARN, "refused", GH_F("to", GH_STR("cse in")), GH_F("rsc", -4103L), GH_F("ok", yes),
         GH_F("none", GH_STR_NONE));
  assert_str(end(&c), "2023-11-14T22:13:20.123456Z warn cse: refused to=\"cse in\" rsc=-4103 ok=true none=\"\"\n");
}

static void levels(void **state)
{
  (void)state;
  capture c = begin(GH_LOG_JSON);
  c.log.level = GH_LOG_WARN;
  GH_LOG(&c.log, GH_LOG_INFO, "dropped", GH_F("a", 1));
  gh_log_event(&c.log, GH_LOG_DEBUG, "dropped", NULL, 0);
  gh_log_event(NULL, GH_LOG_ERROR, "nowhere", NULL, 0);
  c.log.level = GH_LOG_OFF;
  GH_LOG(&c.log, GH_LOG_ERROR, "dropped", GH_F("a", 1));
  assert_int_equal(end(&c).len, 0);
  c = begin(GH_LOG_JSON);
  close(c.log.fd);
  c.log.fd = -1;
  GH_LOG(&c.log, GH_LOG_ERROR, "lost", GH_F("a", 1)); /* cannot be written: nothing happens */
  close(c.read_end);
}

/* A client that puts newlines, quotes or escape sequences into its identity forges no line and no field. */
static void control_characters_cannot_forge(void **state)
{
  (void)state;
  static const char nasty[] = "a\nb\r\"c\\d\x1b[2J\t\x7f\0z";
  gh_str value = {nasty, sizeof nasty - 1};
  json_t *root = parse(event_of(GH_LOG_JSON, value));
  const json_t *text = json_object_get(root, "value");
  assert_int_equal(json_object_size(root), 6);
  assert_int_equal(json_integer_value(json_object_get(root, "behind")), 7);
  assert_non_null(text);
  json_decref(root);
  for (int format = GH_LOG_TEXT; format <= GH_LOG_JSON; format++) {
    gh_str line = event_of((gh_log_format)format, value);
    for (size_t i = 0; i < line.len; i++) assert_true((unsigned char)line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f);
  }
  gh_str line = event_of(GH_LOG_TEXT, GH_STR("x rsc=2000 \" level=error"));
  assert_true(gh_str_ends(line, GH_STR("value=\"x rsc=2000 \\\" level=error\" behind=7")));
}

/* Line separators and terminal controls beyond ASCII, and octets that are no UTF-8 at all. */
static void other_octets_stay_valid_json(void **state)
{
  (void)state;
  static const char *const values[] = {
      "\xff",
      "\xc3",
      "\xc3(",
      "\xe2\x82",
      "\xf0\x9f\x98",
      "\xc0\xaf",
      "\xed\xa0\x80",
      "\xf5\x80\x80",
      "\xf4\x90\x80\x80",
      "\xe0\x80\x80",
      "\xf0\x80\x80\x80",
      "\x80\x80",
      "\xc2\x85\xc2\x9b",
      "a\xe2\x80\xa8z",
      "gr\xc3\xbc\xc3\x9f",
      "\xf0\x9f\x98\x80",
  };
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    gh_str line = event_of(GH_LOG_JSON, gh_str_of(values[i]));
    json_t *root = parse(line);
    assert_non_null(json_object_get(root, "value"));
    json_decref(root);
    assert_null(strstr(written, "\xc2\x85"));
    assert_null(strstr(written, "\xc2\x9b"));
    assert_null(strstr(written, "\xe2\x80\xa8"));
  }
  json_t *root = parse(event_of(GH_LOG_JSON, GH_STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
  assert_string_equal(json_string_value(json_object_get(root, "value")), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
  json_decref(root);
  for (int c = 0; c < 256; c++) {
    char text[3] = {(char)c, (char)c, 'x'};
    json_decref(parse(event_of(GH_LOG_JSON, (gh_str){text, 3})));
  }
}

/* TP-18: an event is cut, and what is left is still one line of JSON, wherever the cut falls. */
static void cut_at_4_kib(void **state)
{
  (void)state;
  static const char *const units[] = {"x", "\"", "\n", "\xc3\xbc", "\xff", "\xf0\x9f\x98\x80"};
  static char text[3 * EVENT_MAX];
  for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
    size_t unit = strlen(units[u]);
    for (size_t i = 0; i < sizeof text; i++) text[i] = units[u][i % unit];
    for (size_t len = sizeof text; len > sizeof text - 16; len--) {
      gh_str line = event_of(GH_LOG_JSON, (gh_str){text, len});
      assert_true(line.len > EVENT_MAX - 64);
      json_t *root = parse(line);
      assert_true(json_is_true(json_object_get(root, "cut")));
      json_decref(root);
      event_of(GH_LOG_TEXT, (gh_str){text, len});
    }
  }
  for (size_t len = EVENT_MAX - 200; len < EVENT_MAX;
       len++) { /* the end of the line falls on every place of the frame */
    memset(text, 'x', len);
    json_decref(parse(event_of(GH_LOG_JSON, (gh_str){text, len})));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_formats),
      cmocka_unit_test(levels),
      cmocka_unit_test(control_characters_cannot_forge),
      cmocka_unit_test(other_octets_stay_valid_json),
      cmocka_unit_test(cut_at_4_kib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
