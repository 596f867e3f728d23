/* Policies and questions from JSON text, as seen from the CSE //sp.example.com/cse1. */
#ifndef GH_TEST_AUTHZ_FIXTURE_H
#define GH_TEST_AUTHZ_FIXTURE_H

#include <arpa/inet.h>

#include "../m2m/cmocka_all.h"
#include "authz/authz.h"
#include "m2m/json.h"
#include "m2m/m2m_time.h"

static inline const gh_self *test_self(void)
{
  static const gh_self self = {{"sp.example.com", 14}, {"cse1", 4}, {"cse-in", 6}, {"cse1", 4}};
  return &self;
}

static inline gh_val *parse_json(gh_arena *arena, gh_str text)
{
  gh_val *value = NULL;
  gh_diag diag = {""};
  if (gh_json_parse(arena, text, &gh_json_default_limits, &value, &diag) != GH_OK) fail_msg("%s", diag.text);
  return value;
}

static inline gh_err compile_text(gh_arena *arena, const char *text, gh_policy **policy, gh_diag *diag)
{
  *policy = NULL;
  return gh_policy_compile(parse_json(arena, gh_str_of(text)), test_self(), policy, diag);
}

/* {"acr":[ <rules> ]} */
static inline gh_policy *policy_of(gh_arena *arena, const char *rules)
{
  gh_policy *policy;
  gh_diag diag = {""};
  gh_str text = gh_arena_fmt(arena, "{\"acr\":[%s]}", rules);
  if (compile_text(arena, text.ptr, &policy, &diag) != GH_OK) fail_msg("%s: %s", rules, diag.text);
  return policy;
}

static inline int64_t time_of(const char *timestamp)
{
  int64_t us = 0;
  assert_int_equal(gh_timestamp_parse(gh_str_of(timestamp), &us), GH_OK);
  return us;
}

static inline gh_peer_addr addr_of(gh_str text)
{
  char cstr[64];
  gh_peer_addr addr = {.family = 0};
  assert_true(gh_str_to_cstr(text, cstr, sizeof(cstr)));
  if (inet_pton(AF_INET, cstr, addr.octets) == 1)
    addr.family = 4;
  else if (inet_pton(AF_INET6, cstr, addr.octets) == 1)
    addr.family = 6;
  else
    fail_msg("no address: %s", cstr);
  return addr;
}

/* RETRIEVE by the authenticated Cae1 on a Tuesday morning; address and place unknown. */
static inline gh_question plain_question(void)
{
  return (gh_question){.from = GH_STR("//sp.example.com/cse1/Cae1"),
                       .authenticated = true,
                       .operation = GH_ACOP_RETRIEVE,
                       .target_ty = 3,
                       .time_us = time_of("20240305T103000")};
}

static inline gh_decision decide_one(const gh_policy *policy, gh_question q)
{
  gh_policy_ref ref = {.id = GH_STR("acp1"), .policy = policy, .state = GH_REF_PRESENT};
  q.policies = &ref;
  q.policy_count = 1;
  return gh_decide(&q, NULL);
}

/* Compiles one rule, asks, frees. */
static inline gh_outcome outcome_of(const char *rule, gh_question q)
{
  gh_arena arena;
  gh_arena_init(&arena);
  gh_policy *policy = policy_of(&arena, rule);
  gh_outcome outcome = decide_one(policy, q).outcome;
  gh_policy_free(policy);
  gh_arena_free(&arena);
  return outcome;
}

#endif
