/* The decision against a second evaluator that reads the policy's JSON tree directly, rule by rule as the text of
 * TS-0003 7.1.5 says it, over random small policies and questions. */
#include "authz_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"

enum { POLICIES = 4000, QUESTIONS = 12 };

/* ---- the second evaluator */

static bool ref_glob(const char *p, const char *t)
{
  if (*p == '\0') return *t == '\0';
  if (*p != '*') return *p == *t && ref_glob(p + 1, t + 1);
  for (;; t++) {
    if (ref_glob(p + 1, t)) return true;
    if (*t == '\0' || *t == '/') return false;
  }
}

static bool ref_originator(gh_str entry, const gh_question *q)
{
  char e[100], full[200], from[100];
  gh_str_to_cstr(entry, e, sizeof(e));
  gh_str_to_cstr(q->from, from, sizeof(from));
  if (strcmp(e, "all") == 0) return true;
  if (strchr(e, '@')) {
    for (size_t i = 0; i < q->role_count; i++)
      if (gh_str_eq(q->roles[i], entry)) return true;
    return false;
  }
  if (strncmp(e, "//", 2) == 0 && !strchr(e + 2, '/'))
    return !strchr(e, '*') && strncmp(from, e, strlen(e)) == 0 && from[strlen(e)] == '/';
  if (strncmp(e, "//", 2) == 0)
    snprintf(full, sizeof(full), "%s", e);
  else if (e[0] == '/')
    snprintf(full, sizeof(full), "//sp.example.com%s", e);
  else if (e[0] == 'S')
    snprintf(full, sizeof(full), "//sp.example.com/%s", e);
  else
    snprintf(full, sizeof(full), "//sp.example.com/cse1/%s", e);
  return ref_glob(full, from);
}

static bool ref_field(char *field, int value, int low, int high)
{
  char *save = NULL;
  for (char *element = strtok_r(field, ",", &save); element; element = strtok_r(NULL, ",", &save)) {
    int from, to, step = 1;
    char *slash = strchr(element, '/');
    if (slash) step = atoi(slash + 1), *slash = '\0';
    if (strcmp(element, "*") == 0)
      from = low, to = high;
    else if (sscanf(element, "%d-%d", &from, &to) == 1)
      to = from;
    for (int v = from; v <= to; v += step)
      if (v == value) return true;
  }
  return false;
}

static bool ref_window(gh_str text, int64_t time_us)
{
  char f[7][40], whole[200];
  time_t seconds = (time_t)(time_us / 1000000);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  gh_str_to_cstr(text, whole, sizeof(whole));
  assert_int_equal(sscanf(whole, "%39s %39s %39s %39s %39s %39s %39s", f[0], f[1], f[2], f[3], f[4], f[5], f[6]), 7);
  return ref_field(f[0], tm.tm_sec, 0, 59) && ref_field(f[1], tm.tm_min, 0, 59) &&
         ref_field(f[2], tm.tm_hour, 0, 23) && ref_field(f[3], tm.tm_mday, 1, 31) &&
         ref_field(f[4], tm.tm_mon + 1, 1, 12) && ref_field(f[5], tm.tm_wday, 0, 6) &&
         ref_field(f[6], tm.tm_year + 1900, 2000, 9999);
}

static bool ref_net(gh_str text, const gh_peer_addr *peer)
{
  char whole[64];
  gh_str_to_cstr(text, whole, sizeof(whole));
  char *slash = strchr(whole, '/');
  int bits = peer->family == 4 ? 32 : 128;
  if (slash) bits = atoi(slash + 1), *slash = '\0';
  gh_peer_addr net = addr_of(gh_str_of(whole));
  for (int i = 0; i < bits; i++) {
    int shift = 7 - i % 8;
    if (((net.octets[i / 8] ^ peer->octets[i / 8]) >> shift) & 1) return false;
  }
  return true;
}

static bool ref_any_net(const gh_val *acip, const gh_peer_addr *peer)
{
  const gh_val *list = NULL;
  if (peer->family == 4) list = gh_val_get(acip, GH_STR("ipv4"));
  if (peer->family == 6) list = gh_val_get(acip, GH_STR("ipv6"));
  for (const gh_val *v = list ? list->u.array.first : NULL; v; v = v->next)
    if (ref_net(v->u.str, peer)) return true;
  return false;
}

static bool ref_country(const gh_val *aclr, const gh_place *place)
{
  const gh_val *list = gh_val_get(aclr, GH_STR("accc"));
  for (const gh_val *v = list->u.array.first; v; v = v->next)
    if (place->has_country && memcmp(v->u.str.ptr, place->country, 2) == 0) return true;
  return false;
}

static bool ref_context(const gh_val *context, const gh_question *q)
{
  const gh_val *actw = gh_val_get(context, GH_STR("actw")), *acip = gh_val_get(context, GH_STR("acip"));
  const gh_val *aclr = gh_val_get(context, GH_STR("aclr"));
  bool in_time = !actw;
  for (const gh_val *v = actw ? actw->u.array.first : NULL; v; v = v->next)
    in_time = in_time || (q->time_us > 0 && ref_window(v->u.str, q->time_us));
  return in_time && (!acip || ref_any_net(acip, &q->peer)) && (!aclr || ref_country(aclr, &q->place));
}

static bool ref_object(const gh_val *detail, const gh_question *q)
{
  int64_t ty = q->target_ty;
  bool listed = false;
  gh_val_get_int(detail, GH_STR("ty"), &ty);
  for (const gh_val *v = gh_val_get(detail, GH_STR("chty"))->u.array.first; v; v = v->next)
    listed = listed || v->u.integer == q->child_ty;
  return listed && ty == q->target_ty;
}

static bool ref_rule(const gh_val *rule, const gh_question *q)
{
  int64_t acop = 0;
  bool acaf = false, origs = false, ctxts, objd;
  const gh_val *acco = gh_val_get(rule, GH_STR("acco")), *acod = gh_val_get(rule, GH_STR("acod"));
  gh_val_get_int(rule, GH_STR("acop"), &acop);
  gh_val_get_bool(rule, GH_STR("acaf"), &acaf);
  for (const gh_val *v = gh_val_get(rule, GH_STR("acor"))->u.array.first; v; v = v->next)
    origs = origs || ref_originator(v->u.str, q);
  ctxts = !acco;
  for (const gh_val *v = acco ? acco->u.array.first : NULL; v; v = v->next) ctxts = ctxts || ref_context(v, q);
  objd = !acod || q->operation != GH_ACOP_CREATE;
  for (const gh_val *v = acod ? acod->u.array.first : NULL; v; v = v->next) objd = objd || ref_object(v, q);
  return (!acaf || q->authenticated) && origs && (acop & q->operation) && ctxts && objd;
}

static bool ref_permits(const gh_val *set, const gh_question *q)
{
  for (const gh_val *rule = gh_val_get(set, GH_STR("acr"))->u.array.first; rule; rule = rule->next)
    if (ref_rule(rule, q)) return true;
  return false;
}

/* ---- random policies and questions from small stocks, so that matches are frequent */

static uint64_t seed = 20240305;

static size_t below(size_t limit)
{
  gh_random random = gh_random_of_seed(&seed);
  uint8_t octets[4];
  assert_int_equal(gh_random_fill(&random, octets, sizeof(octets)), GH_OK);
  return ((size_t)octets[0] << 16 | (size_t)octets[1] << 8 | octets[2]) % limit;
}

#define PICK(stock) ((stock)[below(sizeof(stock) / sizeof((stock)[0]))])

static const char *const entries[] = {"all",
                                      "Cae1",
                                      "Cae2",
                                      "/cse2/Cae1",
                                      "/cse1/*",
                                      "/cse*/C*",
                                      "*",
                                      "/*",
                                      "S*",
                                      "Sgw",
                                      "//sp.example.com",
                                      "//other.org",
                                      "C*1",
                                      "C*a*",
                                      "/cse2",
                                      "//*",
                                      "//*/cse1/Cae1",
                                      "r1@as.example.com",
                                      "Cae",
                                      "C.e1",
                                      "grp-1",
                                      "/cse*",
                                      "//other.org/cse*/*",
                                      "r2@as.example.com"};
static const char *const froms[] = {"//sp.example.com/cse1/Cae1", "//sp.example.com/cse1/Cae2",
                                    "//sp.example.com/cse2/Cae1", "//sp.example.com/Sgw",
                                    "//sp.example.com/cse2",      "//other.org/cse1/Cae1",
                                    "//other.org/cse7",           "//sp.example.com/cse1/Cx"};
static const char *const fields[7][5] = {{"*", "0", "0-30", "*/15", "1,59"},
                                         {"*", "30", "0-29", "*/2", "1-59/2"},
                                         {"*", "10", "8-17", "0-23/5", "0,23"},
                                         {"*", "5", "1-15", "31", "*/2"},
                                         {"*", "3", "1-6", "2", "2-12/2"},
                                         {"*", "2", "1-5", "0,6", "*/3"},
                                         {"*", "2024", "2020-2030", "2000-9999/4", "2023,2025"}};
static const char *const nets4[] = {"10.0.0.0/8", "10.1.2.3",    "192.0.2.0/25",
                                    "0.0.0.0/0",  "10.1.2.2/31", "192.0.2.200/29"};
static const char *const nets6[] = {"2001:db8::/32", "::/0", "2001:db8::1", "2001:db8:8000::/33"};
static const char *const peers[] = {"10.1.2.3",    "10.9.9.9",         "192.0.2.130",
                                    "2001:db8::1", "2001:db8:ffff::2", "fe80::1"};
static const char *const times[] = {"20240305T103000", "20240305T103015", "20240310T080000",
                                    "20241231T235959", "20250228T000000", "20230205T051001"};

static void add_context(gh_buf *b)
{
  size_t members = below(8); /* bits: window, nets, country */
  const char *comma = "";
  gh_buf_fmt(b, "{");
  if (members & 1) {
    gh_buf_fmt(b, "\"actw\":[");
    for (size_t i = 0, n = 1 + below(2); i < n; i++) {
      gh_buf_fmt(b, "%s\"", i ? "," : "");
      for (size_t k = 0; k < 7; k++) gh_buf_fmt(b, "%s%s", k ? " " : "", fields[k][below(2) ? 0 : below(5)]);
      gh_buf_fmt(b, "\"");
    }
    gh_buf_fmt(b, "]");
    comma = ",";
  }
  if (members & 2) {
    gh_buf_fmt(b, "%s\"acip\":{\"ipv4\":[\"%s\",\"%s\"],\"ipv6\":[\"%s\"]}", comma, PICK(nets4), PICK(nets4),
               PICK(nets6));
    comma = ",";
  }
  if (members & 4) gh_buf_fmt(b, "%s\"aclr\":{\"accc\":[\"FR\",\"XA\"]}", comma);
  gh_buf_fmt(b, "}");
}

static void add_rule(gh_buf *b)
{
  gh_buf_fmt(b, "{\"acop\":%zu,\"acor\":[", 1 + below(63));
  for (size_t i = 0, n = below(4); i < n; i++) gh_buf_fmt(b, "%s\"%s\"", i ? "," : "", PICK(entries));
  gh_buf_fmt(b, "]");
  if (below(3) == 0) gh_buf_fmt(b, ",\"acaf\":%s", below(2) ? "true" : "false");
  if (below(3) == 0) {
    gh_buf_fmt(b, ",\"acod\":[{\"ty\":%zu,\"chty\":[%zu,4]}", 2 + below(2), 2 + below(3));
    gh_buf_fmt(b, "%s]", below(2) ? ",{\"chty\":[23]}" : "");
  }
  if (below(2)) {
    gh_buf_fmt(b, ",\"acco\":[");
    for (size_t i = 0, n = 1 + below(2); i < n; i++) {
      gh_buf_fmt(b, "%s", i ? "," : "");
      add_context(b);
    }
    gh_buf_fmt(b, "]");
  }
  gh_buf_fmt(b, "}");
}

static gh_val *random_set(gh_arena *arena)
{
  gh_buf b = GH_BUF_INIT;
  gh_buf_fmt(&b, "{\"acr\":[");
  for (size_t i = 0, n = below(4); i < n; i++) {
    gh_buf_fmt(&b, "%s", i ? "," : "");
    add_rule(&b);
  }
  gh_buf_fmt(&b, "]}");
  gh_str text = gh_arena_dup(arena, gh_buf_str(&b));
  gh_buf_free(&b);
  return parse_json(arena, text);
}

static gh_question random_question(void)
{
  static const gh_str roles[] = {{"r1@as.example.com", 17}, {"r3@as.example.com", 17}};
  static const uint32_t types[] = {2, 3, 4, 23};
  gh_question q = {.from = gh_str_of(PICK(froms)),
                   .authenticated = below(2) == 0,
                   .operation = (uint8_t)(1u << below(6)),
                   .child_ty = PICK(types),
                   .target_ty = (uint32_t)(2 + below(3)),
                   .roles = roles,
                   .role_count = below(3)};
  if (below(5)) q.time_us = time_of(PICK(times));
  if (below(4)) q.peer = addr_of(gh_str_of(PICK(peers)));
  if (below(3)) {
    q.place.has_country = true;
    memcpy(q.place.country, below(2) ? "FR" : "DE", 2);
  }
  return q;
}

/*= TS-0003 7.1.5; the result is that of the reference algorithm for every input */
static void test_against_reference(void **state)
{
  (void)state;
  size_t permitted = 0;
  for (size_t i = 0; i < POLICIES; i++) {
    gh_arena arena;
    gh_arena_init(&arena);
    gh_val *set = random_set(&arena);
    gh_policy *policy;
    gh_diag diag = {""};
    if (gh_policy_compile(set, test_self(), &policy, &diag) != GH_OK) fail_msg("%s", diag.text);
    for (size_t k = 0; k < QUESTIONS; k++) {
      gh_question q = random_question();
      bool want = ref_permits(set, &q);
      gh_decision d = decide_one(policy, q);
      if ((d.outcome == GH_PERMIT) != want) {
        gh_buf text = GH_BUF_INIT;
        gh_json_write(&text, set);
        fail_msg("policy %zu question %zu from %.*s: %s wanted %d: %.*s", i, k, GH_STR_ARG(q.from), d.reason, want,
                 GH_STR_ARG(gh_buf_str(&text)));
      }
      permitted += want;
    }
    gh_policy_free(policy);
    gh_arena_free(&arena);
  }
  /* Both answers must be frequent, or the comparison says little. */
  assert_in_range(permitted, POLICIES * QUESTIONS / 20, POLICIES * QUESTIONS / 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_reference)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
