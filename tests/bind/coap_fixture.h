/* What the tests of the CoAP codec share: messages from hexadecimal text and from parts, decoded in one step. */
#ifndef GH_TESTS_BIND_COAP_FIXTURE_H
#define GH_TESTS_BIND_COAP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bind/coap_codec.h"
#include "m2m/constants.h"
#include "m2m/json.h"

#define assert_str(actual, expected)                                                                                 \
  do {                                                                                                               \
    gh_str actual_ = (actual);                                                                                       \
    const char *expected_ = (expected);                                                                              \
    if (!gh_str_eq(actual_, gh_str_of(expected_)))                                                                   \
      fail_msg("got \"%.*s\", expected \"%s\"", GH_STR_ARG(actual_), expected_);                                     \
  } while (0)

/* Octets of hexadecimal text, in an allocation of exactly that length, so that ASan sees any read beyond. */
static inline gh_str unhex(const char *hex)
{
  size_t len = strlen(hex) / 2;
  char *octets = malloc(len ? len : 1);
  for (size_t i = 0; i < len; i++) {
    unsigned value;
    assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
    octets[i] = (char)value;
  }
  return (gh_str){octets, len};
}

static inline void unhex_free(gh_str octets)
{
  union {
    const char *borrowed;
    char *owned;
  } text = {.borrowed = octets.ptr};
  free(text.owned);
}

static inline gh_err parse_hex(const char *hex)
{
  gh_coap_message m;
  gh_str octets = unhex(hex);
  gh_err err = gh_coap_parse_udp(octets, &m);
  unhex_free(octets);
  return err;
}

/* A request in the making: GET cse-in from Cae1. */
static inline gh_coap_message request_message(uint8_t code)
{
  gh_coap_message m = {.code = code};
  gh_coap_add(&m, GH_COAP_FR, GH_STR("Cae1"));
  gh_coap_add(&m, GH_COAP_RQI, GH_STR("r1"));
  gh_coap_add(&m, GH_COAP_RVI, GH_STR("3"));
  return m;
}

typedef struct decoded {
  gh_arena arena;
  gh_request request;
  gh_coap_context context;
  gh_diag diag;
  int rsc;
} decoded;

static inline decoded decode(gh_coap_message m)
{
  decoded d = {.rsc = 0};
  gh_arena_init(&d.arena);
  d.rsc = gh_coap_to_request(&d.arena, &m, &d.request, &d.context, &d.diag);
  return d;
}

static inline void assert_refused(gh_coap_message m, int rsc, uint8_t code)
{
  decoded d = decode(m);
  if (d.rsc != rsc) fail_msg("rsc %d, expected %d: %s", d.rsc, rsc, d.diag.text);
  gh_coap_message answer = {.code = 0};
  gh_response response = {.rsc = d.rsc};
  gh_coap_from_response(&d.arena, &d.request, &response, &d.context, &answer);
  assert_int_equal(answer.code, code);
  gh_arena_free(&d.arena);
}

#endif
