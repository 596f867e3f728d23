/* Keys that neither a MAF nor a MEF may take: of a SUID that is another service's, or nobody's to register, and of a
 * length that is none. For the tests of both. */
#ifndef GH_TEST_REFUSED_KEYS_H
#define GH_TEST_REFUSED_KEYS_H

#include "../host/harness.h"

typedef struct key_service {
  const char *base;         /* "maf" */
  const who *client;        /* registered there */
  int first_suid, suids;    /* what it serves: m2m:suid (TS-0003 12.3.2) */
  const char *target;       /* of the SUIDs behind the first */
  const char *first_target; /* of the first */
} key_service;

static const char own_16[] = "AAECAwQFBgcICQoLDA0ODw==";

static inline answer register_key(harness *h, const key_service *s, const char *suid, const char *target,
                                  const char *kv)
{
  char content[600];
  snprintf(content, sizeof content,
           "{\"sec:skr\":{\"et\":\"20991231T235959\",\"adfq\":\"sp.example.com\",%s\"tgis\":[\"%s\"]%s%s%s}}", suid,
           target, kv ? ",\"kv\":\"" : "", kv ? kv : "", kv ? "\"" : "");
  return ask(h, s->client, GH_OP_CREATE, s->base, NULL, GH_TY_SYMM_KEY_REG, content);
}

/* Both with a key of the client's own and with the exported one; and what was refused has used nothing up. */
static inline void assert_refused(harness *h, const key_service *s, const char *suid, const char *target)
{
  const char *const keys[] = {own_16, NULL};
  for (size_t i = 0; i < 2; i++) {
    answer a = register_key(h, s, suid, target, keys[i]);
    if (a.rsc != 4000) fail_msg("%s%s: %d %s", suid, keys[i] ? "own key" : "exported key", a.rsc, a.body);
  }
}

/*= TS-0003 8.8.1; 12.3.2 10 to 15 are given beforehand, 2x are a MEF's, 3x a MAF's, 4x are certificates, and the rest
 * are none */
static inline void suids_that_are_refused(harness *h, const key_service *s)
{
  static const char *const others[] = {"",
                                       "\"suid\":null,",
                                       "\"suid\":\"32\",",
                                       "\"suid\":32.5,",
                                       "\"suid\":true,",
                                       "\"suid\":[32],",
                                       "\"suid\":4294967328,",
                                       "\"suid\":2147483647,",
                                       "\"suid\":-32,"};
  char suid[40], to[80];
  for (int number = -1; number < 100; number++) {
    if (number >= s->first_suid && number < s->first_suid + s->suids) continue;
    snprintf(suid, sizeof suid, "\"suid\":%d,", number);
    assert_refused(h, s, suid, s->target);
    assert_refused(h, s, suid, s->first_target);
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_refused(h, s, others[i], s->target);
  snprintf(to, sizeof to, "%s/1A1B1C1D1E1F20212223242526272829", s->base); /* the identifier of the exported key */
  assert_rsc(ask(h, s->client, GH_OP_RETRIEVE, to, NULL, 0, NULL), 4004);
  for (int number = s->first_suid; number < s->first_suid + s->suids; number++) { /* those that are served */
    snprintf(suid, sizeof suid, "\"suid\":%d,", number);
    const char *target = number == s->first_suid ? s->first_target : s->target;
    assert_rsc(register_key(h, s, suid, target, own_16), 2001);
  }
  snprintf(suid, sizeof suid, "\"suid\":%d,", s->first_suid);
  assert_rsc(register_key(h, s, suid, s->first_target, NULL), 2001);
  assert_rsc(ask(h, s->client, GH_OP_RETRIEVE, to, NULL, 0, NULL), 2000);
}

/* 16 to 64 octets (TS-0003 8.8.2.7; 01 section 18 row 12). */
static inline void lengths_that_are_refused(harness *h, const key_service *s)
{
  static const struct {
    size_t octets;
    int rsc;
  } rows[] = {{0, 4102}, {1, 4102}, {15, 4102}, {16, 2001}, {17, 2001}, {64, 2001}, {65, 4102}, {200, 4102}};
  char suid[40], kv[300];
  snprintf(suid, sizeof suid, "\"suid\":%d,", s->first_suid);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t n = 0, whole = rows[i].octets / 3, rest = rows[i].octets % 3;
    for (; n < whole; n++) memcpy(kv + 4 * n, "AAAA", 4);
    snprintf(kv + 4 * n, sizeof kv - 4 * n, "%s", rest == 1 ? "AA==" : rest == 2 ? "AAA=" : "");
    answer a = register_key(h, s, suid, s->first_target, kv);
    if (a.rsc != rows[i].rsc) fail_msg("%zu octets: %d, expected %d", rows[i].octets, a.rsc, rows[i].rsc);
  }
}

#endif
