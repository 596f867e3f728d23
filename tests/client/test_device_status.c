/* What a device makes of what its sources say of a certificate, and of their silence: lists over HTTP, a responder,
 * stapled answers; inside handshakes that wait, and in those of a device that listens, which serves others meanwhile.
 */
#include "certified_broker.h"
#include "registrar_side.h"

#include "../crypto/status_maker.h"
#include "../host/status_fixture.h"

#include <signal.h>

#include "client/device_sources.h"

enum { TIMEOUT_MS = 60000 };
static const char LISTS[] = "http://lists.example.com/a.crl", RESPONDER[] = "http://ocsp.example.com";

static pki p;
static holder other_ca, other;
static scripted_web script;
static atomic_int running; /* exchanges: what they read must outlive them */
static int64_t wall_late_us, mono_late_us;

static int64_t late_wall(void *ctx)
{
  (void)ctx;
  return gh_clock_system().wall_us(NULL) + wall_late_us;
}

static int64_t late_mono(void *ctx)
{
  (void)ctx;
  return gh_clock_system().mono_us(NULL) + __atomic_load_n(&mono_late_us, __ATOMIC_SEQ_CST);
}

static gh_err exchange(void *ctx, const gh_web_request *request, gh_buf *out, gh_diag *diag)
{
  atomic_fetch_add(&running, 1);
  assert_string_equal(request->url, request->body.len ? RESPONDER : LISTS);
  gh_err err = scripted_exchange(ctx, request, out, diag);
  atomic_fetch_sub(&running, 1);
  return err;
}

static const gh_web web = {&script, exchange};
static const gh_clock late = {late_wall, late_mono, NULL};

static int make_all(void **state)
{
  (void)state;
  pki_make(&p);
  other_ca = issued(GH_CERT_CA, "Intermediate", "sp.example.com", &p.root); /* of the same name */
  other = issued(GH_CERT_CSE_ID, CSE_FQDN, NULL, &p.middle);
  return 0;
}

static int free_all(void **state)
{
  (void)state;
  holder_free(&other);
  holder_free(&other_ca);
  pki_free(&p);
  return 0;
}

static int set_up(void **state)
{
  (void)state;
  wall_late_us = mono_late_us = 0;
  web_begin(&script);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  while (atomic_load(&running)) usleep(1000);
  web_end(&script);
  return 0;
}

/* ---- one question */

static gh_device_status *status_of(const gh_device_revocation *use)
{
  gh_device_revocation u = *use;
  gh_device_status *s = calloc(1, sizeof *s);
  gh_device_status_init(s, &late);
  s->web = &web;
  if (!u.ocsp) u.ocsp = GH_DEVICE_STATUS_REQUIRE; /* as the record is read */
  if (!u.stapling) u.stapling = GH_DEVICE_STATUS_SOFT;
  gh_device_status_use(s, &u, TIMEOUT_MS);
  return s;
}

static void drop(gh_device_status *s)
{
  gh_device_status_free(s);
  free(s);
}

typedef struct asked {
  gh_err result;
  bool revoked;
  const char *why;
} asked;

static asked ask_with(gh_device_status *s, const holder *h, gh_str stapled, bool of_server, bool early)
{
  X509 *above[] = {p.middle.cert, p.root.cert};
  gh_status_query query = {.cert = h->cert,
                           .issuer = p.middle.cert,
                           .above = above,
                           .above_count = 2,
                           .stapled = stapled,
                           .of_server = of_server,
                           .early = early};
  asked a = {.result = s->source.find_status(s->source.ctx, &query)};
  a.revoked = query.revoked;
  a.why = query.why;
  return a;
}

static asked ask(gh_device_status *s, const holder *h)
{
  return ask_with(s, h, GH_STR_NONE, true, false);
}

/* What is known without asking anybody. */
static bool stands(gh_device_status *s, const holder *h)
{
  asked a = ask_with(s, h, GH_STR_NONE, true, true);
  return a.result == GH_OK && !a.revoked;
}

static answer_of answer_about(X509 *cert, int status)
{
  return (answer_of){
      .cert = cert, .issuer = p.middle.cert, .signer = p.middle.key, .status = status, .begin_h = -1, .end_h = 24};
}

static list_of list_with(X509 *revoked, long number)
{
  return (list_of){.issuer = p.middle.cert,
                   .signer = p.middle.key,
                   .revoked = revoked,
                   .begin_h = -1,
                   .end_h = 24,
                   .number = number};
}

static void web_lists(const list_of *list)
{
  pthread_mutex_lock(&script.lock);
  gh_buf_clear(&script.crl);
  if (list)
    add_list_pem(&script.crl, list);
  else
    gh_buf_add(&script.crl, GH_STR("<html>no list</html>"));
  pthread_mutex_unlock(&script.lock);
}

static void web_is_down(bool down)
{
  pthread_mutex_lock(&script.lock);
  script.down = down;
  pthread_mutex_unlock(&script.lock);
}

static void web_holds(void)
{
  pthread_mutex_lock(&script.lock);
  script.held = true;
  pthread_mutex_unlock(&script.lock);
}

/* ---- the responder */

/*= TS-0003 8.1.2.5; RFC 6960 what a responder says, and what is none of its answers */
static void what_a_responder_says(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD), old = good, forged = good, else_ = good,
            revoked = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED),
            unknown = answer_about(p.server.cert, V_OCSP_CERTSTATUS_UNKNOWN), busy = good, early = good;
  old.begin_h = -48, old.end_h = -24;
  early.begin_h = 24, early.end_h = 48;
  forged.signer = other_ca.key;
  forged.responder = other_ca.cert;
  else_.cert = p.meter.cert;
  busy.response_status = OCSP_RESPONSE_STATUS_TRYLATER;
  const struct {
    const answer_of *answer; /* NULL: silence */
    bool strict, soft;       /* goes on? */
    bool revoked;
  } rows[] = {{&good, true, true, false},   {&revoked, false, false, true}, {&unknown, false, true, false},
              {&old, false, true, false},   {&early, false, true, false},   {&forged, false, true, false},
              {&else_, false, true, false}, {&busy, false, true, false},    {NULL, false, true, false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (int soft = 0; soft < 2; soft++) {
      gh_device_status *s = status_of(&(gh_device_revocation){
          .ocsp_url = gh_str_of(RESPONDER), .ocsp = soft ? GH_DEVICE_STATUS_SOFT : GH_DEVICE_STATUS_REQUIRE});
      web_is_down(!rows[i].answer);
      if (rows[i].answer) web_says(&script, rows[i].answer);
      asked a = ask(s, &p.server);
      if ((a.result == GH_OK) != (soft ? rows[i].soft : rows[i].strict) || a.revoked != rows[i].revoked)
        fail_msg("row %zu, soft %d: %s", i, soft, a.why ? a.why : "");
      if (a.result != GH_OK) assert_non_null(strstr(a.why, a.revoked ? "is revoked" : "no source says"));
      drop(s);
    }
}

static void answers_are_remembered(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD);
  gh_device_status *s = status_of(&(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)});
  web_says(&script, &good);
  for (int i = 0; i < 3; i++) assert_int_equal(ask(s, &p.server).result, GH_OK);
  assert_int_equal(web_asked(&script), 1);
  web_is_down(true);
  wall_late_us = 20 * 3600 * GH_US_PER_S;
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  wall_late_us = 25 * 3600 * GH_US_PER_S; /* past its end */
  assert_int_equal(ask(s, &p.server).result, GH_EAUTH);
  int asked_before = web_asked(&script);
  web_is_down(false);
  assert_int_equal(ask(s, &p.server).result, GH_EAUTH); /* it was silent a moment ago: nobody waits for it again */
  assert_int_equal(web_asked(&script), asked_before);
  mono_late_us = 6 * GH_US_PER_S;
  wall_late_us = 0;
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  drop(s);
}

/* What was asked for before may not have been collected yet: its time is set when that is done. */
static void ask_once_more(gh_device_status *s)
{
  int before = web_asked(&script);
  for (int i = 0; web_asked(&script) == before; i++, usleep(5000)) {
    if (i == 6000) fail_msg("the web was asked %d times", before);
    mono_late_us += 3700 * GH_US_PER_S;
    assert_int_equal(gh_device_status_look(s, NULL), GH_OK);
  }
  while (atomic_load(&running)) usleep(1000);
  for (int i = 0; i < 20; i++, usleep(1000)) assert_int_equal(gh_device_status_look(s, NULL), GH_OK);
}

static void look_until(gh_device_status *s, unsigned generation)
{
  for (int i = 0; s->generation < generation; i++) {
    if (i == 6000) fail_msg("nothing comes");
    assert_int_equal(gh_device_status_look(s, NULL), GH_OK);
    usleep(5000);
  }
}

/*= TS-0003 8.2.1 of an association that stands it is asked again, and what was revoked stays so */
static void asked_again(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD),
            revoked = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED);
  gh_device_status *s = status_of(&(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)});
  web_says(&script, &good);
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  unsigned before = s->generation;
  revoked.begin_h = 0, revoked.end_h = 30;
  web_says(&script, &revoked);
  assert_int_equal(gh_device_status_look(s, NULL), GH_OK);
  assert_int_equal(web_asked(&script), 1); /* not time yet */
  assert_true(stands(s, &p.server));
  mono_late_us = 3700 * GH_US_PER_S;
  look_until(s, before + 1);
  assert_false(stands(s, &p.server));
  assert_int_equal(ask(s, &p.server).result, GH_EAUTH);
  web_says(&script, &good); /* an answer of before, by whom the line goes through */
  ask_once_more(s);
  assert_false(stands(s, &p.server));
  drop(s);
}

/* An answer of before the revocation that holds longer than that which revokes: anybody on the line may have kept it.
 */
static void nobody_is_unrevoked_by_what_was_kept(void **state)
{
  (void)state;
  answer_of kept = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD), later = kept,
            revoked = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED);
  gh_device_status *s =
      status_of(&(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER), .ocsp = GH_DEVICE_STATUS_SOFT});
  kept.end_h = 48;
  revoked.begin_h = 0, revoked.end_h = 1;
  later.begin_h = 2, later.end_h = 48;
  web_says(&script, &revoked);
  assert_true(ask(s, &p.server).revoked);
  web_says(&script, &kept);
  ask_once_more(s);
  assert_true(ask(s, &p.server).revoked);
  web_is_down(true);
  wall_late_us = 2 * 3600 * GH_US_PER_S; /* the end of what was said, and silence */
  assert_true(ask(s, &p.server).revoked);
  web_is_down(false);
  web_says(&script, &later); /* it was on hold */
  ask_once_more(s);
  for (int i = 0; ask(s, &p.server).revoked; i++, usleep(5000)) assert_true(i < 6000);
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  drop(s);
}

/* Our clock is ahead, by no more than is allowed: the answer counts, and is not asked for without a pause. */
static void an_answer_that_ends_now(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD);
  gh_device_status *s = status_of(&(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)});
  wall_late_us = (24 * 3600 + 60) * GH_US_PER_S;
  web_says(&script, &good);
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  assert_int_equal(web_asked(&script), 1);
  drop(s);
}

/* ---- lists over HTTP */

/*= TS-0003 8.1.2.5; RFC 5280 6.3 */
static void what_a_list_says(void **state)
{
  (void)state;
  list_of none = list_with(NULL, 1), with = list_with(p.server.cert, 1), old = none, forged = none, sibling = none,
          middle = list_with(p.middle.cert, 1);
  old.begin_h = -48, old.end_h = -24;
  forged.signer = other_ca.key;
  sibling.issuer = other_ca.cert, sibling.signer = other_ca.key; /* the same name, another authority */
  middle.issuer = p.root.cert, middle.signer = p.root.key;
  const struct {
    const list_of *list; /* NULL: no list */
    bool down, good, revoked;
  } rows[] = {{&none, false, true, false},    {&with, false, false, true},     {&old, false, false, false},
              {&forged, false, false, false}, {&sibling, false, false, false}, {&middle, false, false, true},
              {NULL, false, false, false},    {&none, true, false, false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_device_status *s = status_of(&(gh_device_revocation){.crl_url = gh_str_of(LISTS)});
    web_is_down(rows[i].down);
    web_lists(rows[i].list);
    asked a = ask(s, &p.server);
    if ((a.result == GH_OK) != rows[i].good || a.revoked != rows[i].revoked) fail_msg("row %zu", i);
    if (!a.revoked && !rows[i].good) assert_non_null(strstr(a.why, "no list says"));
    drop(s);
  }
}

/* What is put in its place on the way must be later, and of the same issuer. */
static void a_list_stays(void **state)
{
  (void)state;
  list_of with = list_with(p.server.cert, 7), before = list_with(NULL, 6), forged = list_with(NULL, 9),
          later = list_with(NULL, 8);
  forged.signer = other_ca.key;
  const list_of *const others[] = {&before, &forged, NULL};
  gh_device_status *s = status_of(&(gh_device_revocation){.crl_url = gh_str_of(LISTS)});
  web_lists(&with);
  assert_int_equal(ask(s, &p.server).result, GH_EAUTH);
  assert_int_equal(ask(s, &other).result, GH_OK);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    web_lists(others[i]);
    ask_once_more(s);
    assert_true(ask(s, &p.server).revoked);
  }
  unsigned generation = s->generation;
  web_lists(&later);
  mono_late_us += 3700 * GH_US_PER_S;
  look_until(s, generation + 1);
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  web_is_down(true);
  mono_late_us += 3700 * GH_US_PER_S;
  assert_int_equal(ask(s, &p.server).result, GH_OK); /* to its end */
  wall_late_us = 25 * 3600 * GH_US_PER_S;
  assert_int_equal(ask(s, &p.server).result, GH_EAUTH);
  drop(s);
}

/*= TS-0003 8.2.1 */
static void a_list_that_comes_later(void **state)
{
  (void)state;
  list_of none = list_with(NULL, 1), with = list_with(p.server.cert, 2);
  gh_device_status *s = status_of(&(gh_device_revocation){.crl_url = gh_str_of(LISTS)});
  assert_int_equal(gh_device_status_look(s, NULL), GH_OK);
  assert_int_equal(web_asked(&script), 0); /* nobody's list would count yet */
  web_lists(&none);
  assert_int_equal(ask(s, &p.server).result, GH_OK);
  unsigned generation = s->generation;
  web_lists(&with);
  mono_late_us = 3700 * GH_US_PER_S;
  look_until(s, generation + 1);
  assert_false(stands(s, &p.server));
  drop(s);
}

/* ---- stapled answers, and several sources */

/*= RFC 6066 8; TS-0003 8.1.2.5 */
static void what_is_stapled(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD), old = good, forged = good, of_other = good,
            revoked = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED);
  old.begin_h = -48, old.end_h = -24;
  forged.responder = other_ca.cert, forged.signer = other_ca.key;
  of_other.cert = other.cert;
  const struct {
    const answer_of *answer; /* NULL: none */
    bool require, soft, off, revoked;
  } rows[] = {{&good, true, true, true, false},      {&revoked, false, false, true, true},
              {&old, false, true, true, false},      {&forged, false, true, true, false},
              {&of_other, false, true, true, false}, {NULL, false, true, true, false}};
  static const gh_device_status_policy policies[] = {GH_DEVICE_STATUS_REQUIRE, GH_DEVICE_STATUS_SOFT,
                                                     GH_DEVICE_STATUS_OFF};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    for (size_t k = 0; k < 3; k++) {
      gh_buf der = GH_BUF_INIT;
      const bool expected[] = {rows[i].require, rows[i].soft, rows[i].off};
      gh_device_status *s = status_of(&(gh_device_revocation){.stapling = policies[k]});
      assert_int_equal(gh_device_status_source(s) != NULL, policies[k] != GH_DEVICE_STATUS_OFF);
      assert_int_equal(s->source.ask_stapled, policies[k] != GH_DEVICE_STATUS_OFF);
      if (rows[i].answer) add_answer(&der, rows[i].answer);
      asked a = ask_with(s, &p.server, gh_buf_str(&der), true, false);
      if ((a.result == GH_OK) != expected[k] || a.revoked != (rows[i].revoked && k < 2))
        fail_msg("row %zu, policy %zu", i, k);
      assert_int_equal(ask_with(s, &p.server, GH_STR_NONE, true, true).result, GH_OK);   /* it may still come */
      assert_int_equal(ask_with(s, &p.server, GH_STR_NONE, false, false).result, GH_OK); /* clients staple nothing */
      gh_buf_free(&der);
      drop(s);
    }
  assert_int_equal(web_asked(&script), 0);
}

static void one_that_speaks_is_enough(void **state)
{
  (void)state;
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD),
            bad = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED);
  list_of none = list_with(NULL, 1), with = list_with(p.server.cert, 1), of_nobody = list_with(NULL, 1);
  of_nobody.signer = other_ca.key;
  const struct {
    const list_of *list;
    const answer_of *responder, *stapled;
    bool good, revoked;
  } rows[] = {{&of_nobody, &good, NULL, true, false}, {&with, &good, NULL, false, true},
              {&none, &bad, &bad, false, true},       {&none, NULL, &good, true, false},
              {&of_nobody, NULL, &good, true, false}, {&of_nobody, NULL, &bad, false, true},
              {&of_nobody, NULL, NULL, false, false}, {&with, NULL, &good, true, false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_buf der = GH_BUF_INIT;
    gh_device_status *s =
        status_of(&(gh_device_revocation){.crl_url = gh_str_of(LISTS), .ocsp_url = gh_str_of(RESPONDER)});
    web_lists(rows[i].list);
    answer_of busy = good;
    busy.response_status = OCSP_RESPONSE_STATUS_TRYLATER;
    web_says(&script, rows[i].responder ? rows[i].responder : &busy);
    if (rows[i].stapled) add_answer(&der, rows[i].stapled);
    if (i != 7 && rows[i].list == &with) assert_int_equal(ask(s, &other).revoked, false); /* the list is there */
    asked a = ask_with(s, &p.server, gh_buf_str(&der), true, false);
    if ((a.result == GH_OK) != rows[i].good || a.revoked != rows[i].revoked) fail_msg("row %zu", i);
    gh_buf_free(&der);
    drop(s);
  }
}

/* ---- a device */

typedef struct place {
  void *dir;
  gh_device *device;
  gh_device_server *server;
  pthread_t thread;
  pid_t broker;
} place;

static int on_notify(void *ctx, const gh_device_notification *n)
{
  (void)ctx, (void)n;
  return 2000;
}

static int open_place(void **state)
{
  place *q = calloc(1, sizeof *q);
  gh_secret kpm = {.len = 32};
  set_up(state);
  if (temp_dir_make(&q->dir) != 0) return -1;
  q->device = device_of(q->dir, "dev", CSE_FQDN, &kpm);
  q->device->config.timeout_ms = 2 * TIMEOUT_MS;
  q->device->status.web = &web;
  *state = q;
  return 0;
}

static int close_place(void **state)
{
  place *q = *state;
  void *dir = q->dir;
  if (q->broker) mosquitto_end(q->broker);
  serving_end(&q->server, q->thread);
  gh_device_close(q->device);
  free(q);
  tear_down(NULL);
  return temp_dir_drop(&dir);
}

static gh_err give(place *q, const gh_device_revocation *use, gh_diag *diag)
{
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
  pem_of(&p.meter, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
  const gh_device_certificate given = {gh_buf_str(&chain), gh_buf_str(&key), gh_buf_str(&p.root_pem), *use};
  gh_err err = gh_device_set_certificate(q->device, &given, diag);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
  return err;
}

static void it_is_kept(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  gh_device_revocation r;
  assert_int_equal(gh_device_revocation_get(q->device, &r, &diag), GH_ENOTFOUND);
  assert_int_equal(give(q, &(gh_device_revocation){.crl_file = GH_STR_NONE}, &diag), GH_OK);
  assert_int_equal(gh_device_revocation_get(q->device, &r, &diag), GH_OK);
  assert_true(!r.crl_file.len && !r.crl_url.len && !r.ocsp_url.len && r.stapling == GH_DEVICE_STATUS_SOFT && !r.ocsp);
  assert_int_equal(give(q, &r, &diag), GH_OK); /* what is told can be given back */
  gh_device_revocation all = {.crl_url = gh_str_of(LISTS),
                              .ocsp_url = gh_str_of(RESPONDER),
                              .ocsp = GH_DEVICE_STATUS_SOFT,
                              .stapling = GH_DEVICE_STATUS_REQUIRE};
  gh_buf list = GH_BUF_INIT;
  list_of none = list_with(NULL, 1);
  add_list_pem(&list, &none);
  gh_buf_add_char(&list, '\0');
  temp_write(temp_path(q->dir, "crl.pem"), list.ptr, 0644);
  gh_buf_free(&list);
  all.crl_file = gh_str_of(temp_path(q->dir, "crl.pem"));
  assert_int_equal(give(q, &all, &diag), GH_OK);
  gh_device_close(q->device);
  assert_int_equal(gh_device_open(temp_path(q->dir, "dev"), NULL, &q->device, &diag), GH_OK);
  assert_int_equal(gh_device_revocation_get(q->device, &r, &diag), GH_OK);
  assert_true(gh_str_eq(r.crl_file, all.crl_file) && gh_str_eq(r.crl_url, all.crl_url) &&
              gh_str_eq(r.ocsp_url, all.ocsp_url) && r.ocsp == all.ocsp && r.stapling == all.stapling);
  const struct {
    gh_device_revocation r;
    const char *names;
  } bad[] = {{{.crl_url = GH_STR("https://a/")}, "lists"},
             {{.ocsp_url = GH_STR("ocsp.example.com")}, "responder"},
             {{.ocsp_url = GH_STR("http://a/\nstapling off")}, "responder"},
             {{.ocsp = GH_DEVICE_STATUS_SOFT}, "no responder"},
             {{.ocsp_url = GH_STR("http://a"), .ocsp = GH_DEVICE_STATUS_OFF}, "require or soft"},
             {{.stapling = (gh_device_status_policy)9}, "stapling"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(give(q, &bad[i].r, &diag), GH_EINVAL);
    if (!strstr(diag.text, bad[i].names)) fail_msg("row %zu: %s", i, diag.text);
  }
  assert_int_equal(gh_device_revocation_get(q->device, &r, &diag), GH_OK);
  assert_true(gh_str_eq(r.ocsp_url, all.ocsp_url)); /* nothing has changed */
}

/* What was written before there was more than a file, and what a later version may write. */
static void other_records(void **state)
{
  (void)state;
  const struct {
    const char *text, *crl;
    gh_err err;
  } rows[] = {{"ANCHORS\n", "", GH_OK},
              {"ANCHORS\n-----CRL FILE-----\n/a/b c.pem", "/a/b c.pem", GH_OK},
              {"ANCHORS\n-----REVOCATION-----\n-----CRL FILE-----\n/a", "/a", GH_OK},
              {"ANCHORS\n-----REVOCATION-----\nnonce require\n", "", GH_ETAMPER},
              {"ANCHORS\n-----REVOCATION-----\nstapling perhaps\n", "", GH_ETAMPER}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    gh_str anchors = gh_str_of(rows[i].text);
    gh_device_revocation r;
    if (gh_device_revocation_read(&anchors, &r) != rows[i].err) fail_msg("row %zu", i);
    assert_true(gh_str_eq(anchors, GH_STR("ANCHORS\n")));
    if (rows[i].err != GH_OK) continue;
    assert_true(gh_str_eq(r.crl_file, gh_str_of(rows[i].crl)));
    assert_int_equal(r.stapling, GH_DEVICE_STATUS_SOFT);
    assert_int_equal(r.ocsp, GH_DEVICE_STATUS_USUAL);
  }
}

static void whether_they_answer(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  gh_cert_state said;
  bool own;
  int64_t until_us;
  const gh_device_revocation use = {.crl_url = gh_str_of(LISTS), .ocsp_url = gh_str_of(RESPONDER)};
  answer_of of_us = answer_about(p.meter.cert, V_OCSP_CERTSTATUS_GOOD), strange = answer_about(p.server.cert, 0);
  list_of none = list_with(NULL, 1);
  assert_int_equal(give(q, &use, &diag), GH_OK);
  q->device->status.web = &web;
  web_says(&script, &of_us);
  web_lists(&none);
  assert_int_equal(gh_device_try_responder(q->device, use.ocsp_url, &said, &own, &diag), GH_OK);
  assert_int_equal(said, GH_CERT_GOOD);
  assert_true(own);
  assert_int_equal(gh_device_try_lists(q->device, use.crl_url, &until_us, &diag), GH_OK);
  assert_true(until_us > now_us() && until_us != INT64_MAX);
  web_says(&script, &strange);
  web_lists(NULL);
  assert_int_equal(gh_device_try_responder(q->device, use.ocsp_url, &said, &own, &diag), GH_EAUTH);
  assert_int_equal(gh_device_try_lists(q->device, use.crl_url, &until_us, &diag), GH_ESYNTAX);
  web_is_down(true);
  assert_int_equal(gh_device_try_responder(q->device, use.ocsp_url, &said, &own, &diag), GH_ECONN);
  assert_int_equal(gh_device_try_lists(q->device, use.crl_url, &until_us, &diag), GH_ECONN);
}

static void *comes_as_other(void *arg)
{
  place *q = arg;
  return registrar_comes(q->server, &p, &other, TLS1_3_VERSION) ? arg : NULL;
}

/*= TS-0003 8.2.1 SA2: the certificate of who comes is asked about, and whoever else comes does not wait for that */
static void while_it_is_asked(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  pthread_t client;
  void *served = NULL;
  holder first = issued(GH_CERT_CSE_ID, CSE_FQDN, NULL, &p.middle);
  answer_of of_first = answer_about(first.cert, V_OCSP_CERTSTATUS_GOOD),
            of_other = answer_about(other.cert, V_OCSP_CERTSTATUS_GOOD);
  assert_int_equal(give(q, &(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)}, &diag), GH_OK);
  q->server = serving_begin(q->device, on_notify, q, &q->thread);
  web_says(&script, &of_first);
  assert_true(registrar_comes(q->server, &p, &first, TLS1_3_VERSION));
  assert_true(registrar_comes(q->server, &p, &first, TLS1_2_VERSION));
  assert_int_equal(web_asked(&script), 1);
  web_says(&script, &of_other);
  web_holds();
  assert_int_equal(pthread_create(&client, NULL, comes_as_other, q), 0);
  web_wait(&script, 2);
  assert_true(registrar_comes(q->server, &p, &first, TLS1_3_VERSION));
  sem_post(&script.go);
  pthread_join(client, &served);
  assert_non_null(served);
  holder_free(&first);
}

/* One that waits when the device stops, and one whose client leaves. */
static void it_stops_meanwhile(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  answer_of good = answer_about(other.cert, V_OCSP_CERTSTATUS_GOOD);
  assert_int_equal(give(q, &(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)}, &diag), GH_OK);
  q->server = serving_begin(q->device, on_notify, q, &q->thread);
  web_says(&script, &good);
  web_holds();
  int fds[2];
  SSL *clients[2];
  for (int i = 0; i < 2; i++) {
    fds[i] = registrar_connect(q->server);
    clients[i] = registrar_client(&p, &other, TLS1_3_VERSION); /* its part of the handshake ends before ours */
    SSL_set_fd(clients[i], fds[i]);
    assert_int_equal(SSL_connect(clients[i]), 1);
    if (i == 0) {
      web_wait(&script, 1);
      SSL_free(clients[0]);
      close(fds[0]);
    }
  }
  usleep(100000); /* for the second to be waiting, too: it ends well also where it does not yet */
  serving_end(&q->server, q->thread);
  sem_post(&script.go);
  SSL_free(clients[1]);
  close(fds[1]);
  ERR_clear_error();
}

/*= TS-0003 8.1.2.5; 8.2.1 an association with a listening device that stands when the responder revokes */
static void who_stands_is_left(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  char octet;
  answer_of good = answer_about(other.cert, V_OCSP_CERTSTATUS_GOOD),
            revoked = answer_about(other.cert, V_OCSP_CERTSTATUS_REVOKED);
  const struct timeval patience = {.tv_sec = 60};
  good.end_h = 1;
  wall_late_us = 3585 * GH_US_PER_S; /* of which fifteen seconds are left: it is asked again after ten */
  assert_int_equal(give(q, &(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)}, &diag), GH_OK);
  q->device->clock = late;
  web_says(&script, &good);
  q->server = serving_begin(q->device, on_notify, q, &q->thread);
  int fd = registrar_connect(q->server);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  SSL *ssl = registrar_client(&p, &other, TLS1_2_VERSION);
  SSL_set_fd(ssl, fd);
  assert_int_equal(SSL_connect(ssl), 1);
  assert_int_equal(SSL_write(ssl, "P", 1), 1);
  web_says(&script, &revoked);
  __atomic_store_n(&mono_late_us, 12 * GH_US_PER_S, __ATOMIC_SEQ_CST);
  assert_int_equal(SSL_read(ssl, &octet, 1), 0); /* an orderly end, and not for want of time */
  assert_int_equal(SSL_get_error(ssl, 0), SSL_ERROR_ZERO_RETURN);
  assert_int_equal(web_asked(&script), 2);
  SSL_free(ssl);
  close(fd);
  assert_false(registrar_comes(q->server, &p, &other, TLS1_3_VERSION));
}

/* ---- the device as a client */

static gh_err associate(place *q, gh_diag *diag)
{
  gh_reply reply;
  gh_err err = gh_device_associate(q->device, GH_DEVICE_KEY_CERTIFICATE, &reply, diag);
  gh_device_dissociate(q->device);
  return err;
}

static link_test *cse_with(gh_certificate_status *status)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.status = status ? gh_certificate_status_source(status) : NULL;
  link_open(t);
  return t;
}

/* As a CSE does it: it asks, and keeps the answer for who connects. */
static gh_certificate_status *stapler(void)
{
  gh_certificate_status_options o = status_options(&script);
  gh_buf der = GH_BUF_INIT;
  o.ocsp_url = RESPONDER;
  o.ocsp = GH_STATUS_OFF; /* clients are not asked about */
  o.staple = true;
  o.chain_pem = gh_buf_str(&p.server_chain_pem);
  gh_certificate_status *status = status_open(&o);
  const gh_status_source *source = gh_certificate_status_source(status);
  for (int i = 0; !source->own_staple(source->ctx, &der); i++, usleep(10000))
    if (i == 6000) fail_msg("no answer about our own certificate");
  gh_buf_free(&der);
  return status;
}

/*= RFC 6066 8; TS-0003 8.1.2.5 our own CSE staples, and the device demands it or does not */
static void a_cse_of_ours_staples(void **state)
{
  place *q = *state;
  gh_diag diag = {""};
  for (int said = V_OCSP_CERTSTATUS_GOOD; said <= V_OCSP_CERTSTATUS_REVOKED; said++) {
    answer_of answer = answer_about(p.server.cert, said);
    web_says(&script, &answer);
    gh_certificate_status *status = stapler();
    for (int staples = 0; staples < 2; staples++) {
      link_test *t = cse_with(staples ? status : NULL);
      char at[32];
      snprintf(at, sizeof at, "127.0.0.1:%u", t->port);
      q->device->config.cse.endpoint = gh_str_of(at);
      for (gh_device_status_policy policy = GH_DEVICE_STATUS_OFF; policy <= GH_DEVICE_STATUS_REQUIRE; policy++)
        for (int tls13 = 0; tls13 < 2; tls13++) {
          bool revoked = said == V_OCSP_CERTSTATUS_REVOKED && staples && policy != GH_DEVICE_STATUS_OFF;
          bool good = !revoked && (staples || policy != GH_DEVICE_STATUS_REQUIRE);
          q->device->config.tls13 = tls13;
          assert_int_equal(give(q, &(gh_device_revocation){.stapling = policy}, &diag), GH_OK);
          gh_err err = associate(q, &diag);
          if ((err == GH_OK) != good) fail_msg("%d %d %d %d: %s", said, staples, (int)policy, tls13, diag.text);
          if (!good) assert_non_null(strstr(diag.text, revoked ? "is revoked" : "no source says"));
        }
      link_end(t);
    }
    gh_certificate_status_close(status);
  }
}

/*= TS-0003 8.2.1; TS-0010 7.3 a broker that the responder revokes while the device is with it */
static void a_broker_is_left(void **state)
{
  place *q = *state;
  char at[32];
  gh_diag diag = {""};
  gh_reply reply;
  gh_device_server *listening = NULL;
  uint16_t port = free_port();
  q->broker = certified_broker(q->dir, &p, port);
  answer_of good = answer_about(p.server.cert, V_OCSP_CERTSTATUS_GOOD),
            revoked = answer_about(p.server.cert, V_OCSP_CERTSTATUS_REVOKED);
  web_says(&script, &good);
  assert_int_equal(give(q, &(gh_device_revocation){.ocsp_url = gh_str_of(RESPONDER)}, &diag), GH_OK);
  q->device->clock = late;
  snprintf(at, sizeof at, "127.0.0.1:%u", port);
  q->device->config.mqtt_broker = gh_str_of(at);
  q->device->config.mqtt_name = GH_STR(CSE_FQDN);
  gh_device_state_set(q->device, &q->device->state.ae_id, GH_STR("Cmeter"));
  assert_int_equal(gh_device_use_binding(q->device, GH_STR("mqtt"), &diag), GH_OK);
  assert_int_equal(gh_device_listen(q->device, GH_STR_NONE, on_notify, q, &listening, &diag), GH_OK);
  if (gh_device_associate(q->device, GH_DEVICE_KEY_CERTIFICATE, &reply, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(web_asked(&script), 1);
  assert_int_equal(gh_device_wait_closed(q->device, 0), GH_ETIMEOUT);
  web_says(&script, &revoked);
  mono_late_us = 3700 * GH_US_PER_S;
  assert_int_equal(gh_device_wait_closed(q->device, 60000), GH_OK);
  assert_int_equal(gh_device_associate(q->device, GH_DEVICE_KEY_CERTIFICATE, &reply, &diag), GH_EAUTH);
  assert_non_null(strstr(diag.text, "the certificate is revoked"));
  gh_device_server_close(listening);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_a_responder_says, set_up, tear_down),
      cmocka_unit_test_setup_teardown(answers_are_remembered, set_up, tear_down),
      cmocka_unit_test_setup_teardown(asked_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nobody_is_unrevoked_by_what_was_kept, set_up, tear_down),
      cmocka_unit_test_setup_teardown(an_answer_that_ends_now, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_a_list_says, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_list_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_list_that_comes_later, set_up, tear_down),
      cmocka_unit_test_setup_teardown(what_is_stapled, set_up, tear_down),
      cmocka_unit_test_setup_teardown(one_that_speaks_is_enough, set_up, tear_down),
      cmocka_unit_test_setup_teardown(it_is_kept, open_place, close_place),
      cmocka_unit_test(other_records),
      cmocka_unit_test_setup_teardown(whether_they_answer, open_place, close_place),
      cmocka_unit_test_setup_teardown(while_it_is_asked, open_place, close_place),
      cmocka_unit_test_setup_teardown(it_stops_meanwhile, open_place, close_place),
      cmocka_unit_test_setup_teardown(who_stands_is_left, open_place, close_place),
      cmocka_unit_test_setup_teardown(a_cse_of_ours_staples, open_place, close_place),
      cmocka_unit_test_setup_teardown(a_broker_is_left, open_place, close_place),
  };
  return cmocka_run_group_tests(tests, make_all, free_all);
}
