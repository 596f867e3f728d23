/* What the tests of the HTTP codec share: feeding a reader, and decoding a request in one step. */
#ifndef GH_TESTS_BIND_HTTP_FIXTURE_H
#define GH_TESTS_BIND_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bind/http_codec.h"
#include "m2m/json.h"

#define assert_str(actual, expected)                                                                                 \
  do {                                                                                                               \
    gh_str actual_ = (actual);                                                                                       \
    const char *expected_ = (expected);                                                                              \
    if (!gh_str_eq(actual_, gh_str_of(expected_)))                                                                   \
      fail_msg("got \"%.*s\", expected \"%s\"", GH_STR_ARG(actual_), expected_);                                     \
  } while (0)

/* Feeds copies of the octets that end at an allocation's end, so that ASan sees any read beyond. */
static inline gh_http_state feed_in_pieces(gh_http_reader *reader, gh_str text, size_t piece, size_t *used)
{
  gh_http_state state = GH_HTTP_NEED_MORE;
  *used = 0;
  while (*used < text.len && state == GH_HTTP_NEED_MORE) {
    gh_str part = gh_str_sub(text, *used, piece);
    char *copy = malloc(part.len);
    size_t taken = 0;
    memcpy(copy, part.ptr, part.len);
    state = gh_http_feed(reader, (gh_str){copy, part.len}, &taken);
    free(copy);
    *used += taken;
    if (taken < part.len) break;
  }
  return state;
}

/* Request decoded from text; the reader is gone when it returns, so nothing may borrow from it. */
typedef struct decoded {
  gh_arena arena;
  gh_request request;
  gh_diag diag;
  int rsc;
} decoded;

static inline decoded decode_octets(gh_str octets)
{
  decoded d = {.rsc = 0};
  gh_http_reader reader;
  size_t used;
  gh_arena_init(&d.arena);
  gh_http_reader_init(&reader, GH_HTTP_REQUESTS, NULL);
  gh_http_state state = feed_in_pieces(&reader, octets, SIZE_MAX, &used);
  if (state != GH_HTTP_MESSAGE)
    fail_msg("no message from \"%.*s\": %s", GH_STR_ARG(octets), reader.error.text ? reader.error.text : "?");
  d.rsc = gh_http_to_request(&d.arena, &reader.message, &d.request, &d.diag);
  gh_http_reader_free(&reader);
  return d;
}

static inline decoded decode(const char *text)
{
  return decode_octets(gh_str_of(text));
}

static inline void decoded_free(decoded *d)
{
  gh_arena_free(&d->arena);
}

#define HEAD "Host: in.example.com\r\nX-M2M-Origin: Cae1\r\nX-M2M-RI: r1\r\nX-M2M-RVI: 3\r\n"

/* GET with this request target. */
static inline decoded decode_target(const char *target)
{
  char text[4096];
  (void)snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HEAD "\r\n", target);
  return decode(text);
}

static inline void assert_json(const gh_val *value, const char *expected)
{
  gh_buf text = GH_BUF_INIT;
  assert_non_null(value);
  gh_json_write(&text, value);
  assert_str(gh_buf_str(&text), expected);
  gh_buf_free(&text);
}

#endif
