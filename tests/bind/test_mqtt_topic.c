/* Topics of the MQTT binding and what stands in their levels. TP-03, TP-05. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "bind/mqtt_topic_codec.h"

static const gh_self in_cse = {
    .sp_fqdn = {"sp.example.com", 14}, .cse_id = {"in-cse", 6}, .cse_rn = {"cse-in", 6}, .in_cse = {"in-cse", 6}};

static void assert_text(gh_str got, const char *wanted)
{
  if (!gh_str_eq(got, gh_str_of(wanted))) fail_msg("\"%.*s\", expected \"%s\"", GH_STR_ARG(got), wanted);
}

/*= TS-0010 6.4.2; TS-0010 6.4.3; TS-0010 6.4.4; TS-0010 6.5.4; TS-0010 6.6 */
static void topics_are_read_and_written(void **state)
{
  (void)state;
  static const struct {
    const char *topic, *prefix, *originator, *receiver;
    gh_mqtt_topic_kind kind;
    gh_representation representation;
  } cases[] = {
      {"/oneM2M/req/CAE01/in-cse/json", "", "CAE01", "in-cse", GH_MQTT_REQ, GH_REP_JSON},
      {"/oneM2M/resp/in-cse:CAE01/in-cse/cbor", "", "in-cse:CAE01", "in-cse", GH_MQTT_RESP, GH_REP_CBOR},
      {"/oneM2M/req/:sp.example.com:in-cse/:other.example.com:cse/json", "", ":sp.example.com:in-cse",
       ":other.example.com:cse", GH_MQTT_REQ, GH_REP_JSON},
      {"/oneM2M/reg_req/12-pump1@keys.example.com/in-cse/json", "", "12-pump1@keys.example.com", "in-cse",
       GH_MQTT_REG_REQ, GH_REP_JSON},
      {"/oneM2M/reg_resp/33-::sp.example.com:Sx/in-cse/cbor", "", "33-::sp.example.com:Sx", "in-cse",
       GH_MQTT_REG_RESP, GH_REP_CBOR},
      {"abc/def/oneM2M/req/Sx1/in-cse/json", "abc/def", "Sx1", "in-cse", GH_MQTT_REQ, GH_REP_JSON},
  };
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_mqtt_topic t;
    gh_str topic = gh_str_of(cases[i].topic), prefix = gh_str_of(cases[i].prefix);
    if (gh_mqtt_topic_parse(topic, prefix, &t) != GH_OK) fail_msg("%s is refused", cases[i].topic);
    assert_int_equal(t.kind, cases[i].kind);
    assert_int_equal(t.representation, cases[i].representation);
    assert_text(t.originator, cases[i].originator);
    assert_text(t.receiver, cases[i].receiver);
    assert_text(gh_mqtt_topic_write(&arena, prefix, &t), cases[i].topic);
  }
  gh_arena_free(&arena);
}

/*= TS-0010 6.4.2; TS-0010 7.2 */
static void what_is_no_topic_is_refused(void **state)
{
  (void)state;
  static const char *const cases[] = {
      "",
      "/oneM2M",
      "/oneM2M/req/CAE01/in-cse",
      "/oneM2M/req/CAE01/in-cse/",
      "/oneM2M/req/CAE01/in-cse/xml",
      "/oneM2M/req/CAE01/in-cse/json/more",
      "/oneM2M/req//in-cse/json",
      "/oneM2M/req/CAE01//json",
      "/oneM2M/req/+/in-cse/json",
      "/oneM2M/req/#",
      "/oneM2M/req/CAE01/in-cse/#",
      "/oneM2M/ask/CAE01/in-cse/json",
      "oneM2M/req/CAE01/in-cse/json",
      "x/oneM2M/req/CAE01/in-cse/json",
      "/oneM2M/req/C/in-cse/json",
      "/oneM2M/req/S/in-cse/json",
      "/oneM2M/req/CAE 01/in-cse/json",
      "/oneM2M/req/CAE\x01/in-cse/json",
      "/oneM2M/req/C\xc3\xa4/in-cse/json",
      "/oneM2M/req/a:b:c:d/in-cse/json",
      "/oneM2M/req/in-cse:Sx/in-cse/json",
      "/oneM2M/req/::sp.example.com:Sx/in-cse/json",
      "/oneM2M/req/:sp.example.com/in-cse/json",
      "/oneM2M/req/CAE01:/in-cse/json",
      "/oneM2M/req/12-pump1@keys.example.com/in-cse/json",
      "/oneM2M/reg_req/CAE01/in-cse/json",
      "/oneM2M/reg_req/99-x/in-cse/json",
      "/oneM2M/reg_req/12-/in-cse/json",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    gh_mqtt_topic t;
    if (gh_mqtt_topic_parse(gh_str_of(cases[i]), GH_STR_NONE, &t) == GH_OK) fail_msg("%s is taken", cases[i]);
  }
  gh_mqtt_topic t;
  assert_int_not_equal(gh_mqtt_topic_parse(GH_STR("/oneM2M/req/CAE\0/in-cse/json"), GH_STR_NONE, &t), GH_OK);
  assert_int_not_equal(gh_mqtt_topic_parse(GH_STR("/oneM2M/req/CAE01/in-cse/json"), GH_STR("abc"), &t), GH_OK);
  char *large = malloc(4096);
  memset(large, 'a', 4096);
  memcpy(large, "/oneM2M/req/C", 13);
  assert_int_equal(gh_mqtt_topic_parse((gh_str){large, 4096}, GH_STR_NONE, &t), GH_ELIMIT);
  free(large);
}

/*= TS-0010 6.4.2 */
static void identifiers_become_levels(void **state)
{
  (void)state;
  static const char *const pairs[][3] = {
      {"/in-cse", "in-cse", "//sp.example.com/in-cse"},
      {"CAE01", "CAE01", "//sp.example.com/in-cse/CAE01"},
      {"/in-cse/CAE01", "in-cse:CAE01", "//sp.example.com/in-cse/CAE01"},
      {"/mn1/CAE01", "mn1:CAE01", "//sp.example.com/mn1/CAE01"},
      {"Sx1", "Sx1", "//sp.example.com/Sx1"},
      {"/Sx1", "Sx1", "//sp.example.com/Sx1"},
      {"//other.example.com/cse", ":other.example.com:cse", "//other.example.com/cse"},
      {"//other.example.com/cse/Cx", ":other.example.com:cse:Cx", "//other.example.com/cse/Cx"},
  };
  gh_arena arena;
  gh_arena_init(&arena);
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    gh_str level, absolute;
    assert_int_equal(gh_mqtt_level_of_id(&arena, gh_str_of(pairs[i][0]), &level), GH_OK);
    assert_text(level, pairs[i][1]);
    assert_int_equal(gh_mqtt_id_of_level(&arena, &in_cse, level, &absolute), GH_OK);
    assert_text(absolute, pairs[i][2]);
    assert_true(gh_mqtt_level_names(&arena, &in_cse, level, gh_str_of(pairs[i][0])));
    for (size_t j = 0; j < sizeof pairs / sizeof *pairs; j++)
      if (strcmp(pairs[i][2], pairs[j][2]) != 0)
        assert_false(gh_mqtt_level_names(&arena, &in_cse, level, gh_str_of(pairs[j][0])));
  }
  gh_str level;
  static const char *const none[] = {"", "S", "C", "//sp.example.com", "/a/b/c", "CAE+", "C#", "a:b"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (gh_mqtt_level_of_id(&arena, gh_str_of(none[i]), &level) == GH_OK) fail_msg("%s has a level", none[i]);
  gh_arena_free(&arena);
}

/*= TS-0010 6.4.4 */
static void credentials_become_levels(void **state)
{
  (void)state;
  gh_arena arena;
  gh_str level, back;
  gh_arena_init(&arena);
  assert_int_equal(gh_mqtt_level_of_credential(&arena, GH_STR("33-//sp.example.com/Sx"), &level), GH_OK);
  assert_text(level, "33-::sp.example.com:Sx");
  assert_int_equal(gh_mqtt_credential_of_level(&arena, level, &back), GH_OK);
  assert_text(back, "33-//sp.example.com/Sx");
  assert_int_not_equal(gh_mqtt_level_of_credential(&arena, GH_STR("34-urn:node:1"), &level), GH_OK);
  assert_int_not_equal(gh_mqtt_level_of_credential(&arena, GH_STR("12-a+b@keys.example.com"), &level), GH_OK);
  assert_int_not_equal(gh_mqtt_credential_of_level(&arena, GH_STR("12-a/b"), &back), GH_OK);
  gh_arena_free(&arena);
}

/*= TS-0010 6.5.3; TS-0010 6.4.5 */
static void answers_and_filters(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  gh_mqtt_topic t = {GH_MQTT_REG_REQ, GH_STR("12-a@b.example"), GH_STR("in-cse"), GH_REP_CBOR};
  gh_mqtt_topic answer = gh_mqtt_topic_of_answer(&t);
  assert_text(gh_mqtt_topic_write(&arena, GH_STR_NONE, &answer), "/oneM2M/reg_resp/12-a@b.example/in-cse/cbor");
  assert_text(gh_mqtt_filter_write(&arena, GH_STR_NONE, GH_MQTT_REQ, GH_STR("in-cse")), "/oneM2M/req/+/in-cse/#");
  assert_text(gh_mqtt_filter_write(&arena, GH_STR("a/b"), GH_MQTT_REG_REQ, GH_STR("in-cse")),
              "a/b/oneM2M/reg_req/+/in-cse/#");
  assert_true(gh_mqtt_prefix_valid(GH_STR("")) && gh_mqtt_prefix_valid(GH_STR("a/b")));
  static const char *const none[] = {"/", "/a", "a/", "a//b", "a/+", "#", "a b"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(gh_mqtt_prefix_valid(gh_str_of(none[i])));
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(topics_are_read_and_written), cmocka_unit_test(what_is_no_topic_is_refused),
      cmocka_unit_test(identifiers_become_levels),   cmocka_unit_test(credentials_become_levels),
      cmocka_unit_test(answers_and_filters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
