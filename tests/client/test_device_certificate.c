/* A device with a certificate: what it takes and keeps, and who may come to it where it listens. */
#include "certified_broker.h"
#include "registrar_side.h"

#include "../crypto/status_maker.h"

#include <signal.h>

#include "m2m/json.h"

typedef struct place {
  void *dir;
  pki p;
  gh_device *device;
  gh_device_server *server;
  pthread_t thread;
  int count;
  gh_str crl; /* that the device is given; empty: none */
} place;

static int64_t late_by_us; /* of the device's clock */

static int64_t late_wall(void *ctx)
{
  (void)ctx;
  return gh_clock_system().wall_us(NULL) + late_by_us;
}

static void open_device(place *p)
{
  gh_diag diag = {""};
  assert_int_equal(gh_device_open(temp_path(p->dir, "dev"), NULL, &p->device, &diag), GH_OK);
  p->device->clock.wall_us = late_wall;
}

static int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  gh_secret kpm = {.len = 32};
  if (temp_dir_make(&p->dir) != 0) return -1;
  late_by_us = 0;
  pki_make(&p->p);
  p->device = device_of(p->dir, "dev", CSE_FQDN, &kpm);
  p->device->clock.wall_us = late_wall;
  *state = p;
  return 0;
}

static int on_notify(void *ctx, const gh_device_notification *n)
{
  place *p = ctx;
  (void)n;
  p->count++;
  return 2000;
}

static void start(place *p)
{
  p->server = serving_begin(p->device, on_notify, p, &p->thread);
}

static void stop(place *p)
{
  serving_end(&p->server, p->thread);
}

static int teardown(void **state)
{
  place *p = *state;
  stop(p);
  gh_device_close(p->device);
  pki_free(&p->p);
  void *dir = p->dir;
  free(p);
  return temp_dir_drop(&dir);
}

/* With the intermediate behind it, and the root for an anchor. */
static gh_err give(place *p, const holder *own, const holder *key, gh_str anchors)
{
  gh_buf chain = GH_BUF_INIT, key_pem = GH_BUF_INIT;
  gh_diag diag = {""};
  pem_of(own, &chain, NULL);
  pem_of(key, NULL, &key_pem);
  gh_buf_add(&chain, gh_buf_str(&p->p.middle_pem));
  const gh_device_certificate given = {gh_buf_str(&chain), gh_buf_str(&key_pem), anchors, {.crl_file = p->crl}};
  gh_err err = gh_device_set_certificate(p->device, &given, &diag);
  if (err != GH_OK) assert_true(diag.text[0]);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key_pem);
  return err;
}

static gh_err give_good(place *p, const holder *own)
{
  return give(p, own, own, gh_buf_str(&p->p.root_pem));
}

/*= TS-0003 8.1.2.1; TS-0003 8.1.2.3; TS-0003 10.1.3 an AE-ID, a Node-ID or a device; it comes back as it was */
static void what_it_takes(void **state)
{
  place *p = *state;
  static const struct {
    gh_cert_flavour flavour;
    const char *name, *credential_id;
  } rows[] = {{GH_CERT_AE_ID, METER_ID, "33-" METER_ID},
              {GH_CERT_NODE_ID, "urn:example:node-7", "34-urn:example:node-7"},
              {GH_CERT_DEVICE, "0.2.481.1.100.3030.10011", "31-0.2.481.1.100.3030.10011"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    holder own = issued(rows[i].flavour, rows[i].name, NULL, &p->p.root);
    gh_buf key = GH_BUF_INIT;
    pem_of(&own, NULL, &key);
    assert_int_equal(give_good(p, &own), GH_OK);
    gh_device_close(p->device);
    open_device(p);
    const gh_device_state *s = gh_device_state_get(p->device);
    assert_true(gh_str_eq(s->certificate_id, gh_str_of(rows[i].credential_id)));
    assert_int_equal(s->certificate_until_us / GH_US_PER_S, gh_cert_not_after_us(own.cert) / GH_US_PER_S);
    assert_int_equal(gh_device_usual_key(p->device), GH_DEVICE_KEY_CERTIFICATE);
    gh_arena secret;
    gh_device_certificate kept;
    gh_arena_init(&secret);
    assert_int_equal(gh_device_use_certificate(p->device, &secret, &kept), GH_OK);
    assert_true(gh_str_eq(kept.key_pem, gh_buf_str(&key)));
    assert_true(gh_str_eq(kept.anchors_pem, gh_buf_str(&p->p.root_pem)));
    assert_true(gh_str_ends(kept.chain_pem, gh_buf_str(&p->p.middle_pem)));
    gh_arena_free(&secret);
    gh_buf_wipe_free(&key);
    holder_free(&own);
  }
}

/* And what it had before it still has. */
static void what_it_refuses(void **state)
{
  place *p = *state;
  assert_int_equal(give_good(p, &p->p.meter), GH_OK);
  gh_str root = gh_buf_str(&p->p.root_pem);
  holder cse = issued(GH_CERT_CSE_ID, "mn1." CSE_FQDN, NULL, &p->p.middle);
  holder old = issued_for(GH_CERT_AE_ID, METER_ID, &p->p.middle, -3, -1);
  holder other = issued(GH_CERT_AE_ID, "//sp.example.com/in-cse/Cother", NULL, &p->p.middle);
  assert_int_equal(give_good(p, &cse), GH_EINVAL);
  assert_int_equal(give_good(p, &old), GH_EEXPIRED);
  assert_int_equal(give(p, &other, &p->p.meter, root), GH_EINVAL);
  assert_int_equal(give(p, &other, &other, GH_STR("")), GH_EINVAL);
  assert_int_equal(give(p, &other, &other, GH_STR("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n")),
                   GH_EINVAL);
  assert_int_equal(give_good(p, &p->p.root), GH_EAUTH); /* names nobody */
  gh_diag diag = {""};
  gh_buf chain = GH_BUF_INIT;
  pem_of(&other, &chain, NULL);
  gh_device_certificate bad = {.chain_pem = gh_buf_str(&chain), .key_pem = GH_STR("no key"), .anchors_pem = root};
  assert_int_equal(gh_device_set_certificate(p->device, &bad, &diag), GH_EINVAL);
  gh_buf many = GH_BUF_INIT;
  for (int i = 0; i < 17; i++) gh_buf_add(&many, root);
  assert_int_not_equal(give(p, &other, &other, gh_buf_str(&many)), GH_OK);
  assert_true(gh_str_eq(gh_device_state_get(p->device)->certificate_id, GH_STR("33-" METER_ID)));
  gh_arena secret;
  gh_device_certificate kept;
  gh_arena_init(&secret);
  assert_int_equal(gh_device_use_certificate(p->device, &secret, &kept), GH_OK);
  late_by_us = 4000 * DAY_US;
  assert_int_equal(gh_device_use_certificate(p->device, &secret, &kept), GH_EEXPIRED);
  assert_int_equal(gh_device_listen(p->device, GH_STR("127.0.0.1:0"), on_notify, p, &p->server, &diag), GH_EEXPIRED);
  gh_arena_free(&secret);
  gh_buf_free(&many);
  gh_buf_free(&chain);
  holder_free(&cse);
  holder_free(&old);
  holder_free(&other);
}

static bool comes(const place *p, const holder *own, int version)
{
  return registrar_comes(p->server, &p->p, own, version);
}

/*= TS-0003 8.2.1; TS-0003 8.2.2.2 SA2: the registrar by its certificate, nobody else, and by nothing else */
static void who_may_come(void **state)
{
  place *p = *state;
  holder of_the_cse = issued(GH_CERT_CSE_ID, CSE_FQDN, NULL, &p->p.middle);
  holder another = issued(GH_CERT_CSE_ID, "mn1." CSE_FQDN, NULL, &p->p.middle);
  holder foreign_root = issued(GH_CERT_CA, "Root", NULL, NULL);
  holder foreign = issued(GH_CERT_CSE_ID, CSE_FQDN, NULL, &foreign_root);
  holder past = issued_for(GH_CERT_CSE_ID, CSE_FQDN, &p->p.middle, -3, -1);
  gh_secret kpsa = {.len = 32};
  gh_diag diag = {""};
  memset(kpsa.bytes, 0x11, 32);
  assert_int_equal(gh_device_set_psk(p->device, GH_STR("meter@keys.example.com"), &kpsa, &diag), GH_OK);
  assert_int_equal(give_good(p, &p->p.meter), GH_OK);
  start(p);
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (int i = 0; i < 2; i++) {
    assert_true(comes(p, &of_the_cse, versions[i]));
    assert_false(comes(p, &another, versions[i]));
    assert_false(comes(p, &p->p.meter, versions[i])); /* the device itself */
    assert_false(comes(p, &foreign, versions[i]));
    assert_false(comes(p, &past, versions[i]));
    assert_false(comes(p, NULL, versions[i])); /* its Kpsa is not what it uses now */
    assert_int_equal(p->count, i + 1);
  }
  stop(p);
  gh_device_state_set(p->device, &p->device->cse_key_name, GH_STR("psk")); /* and the other way round */
  start(p);
  assert_false(comes(p, &of_the_cse, TLS1_2_VERSION));
  assert_true(comes(p, NULL, TLS1_2_VERSION));
  holder_free(&of_the_cse);
  holder_free(&another);
  holder_free(&foreign_root);
  holder_free(&foreign);
  holder_free(&past);
}

/* ---- revocation */

typedef struct lists {
  X509 *revoked;         /* by the intermediate; NULL: nobody */
  X509 *revoked_by_root; /* the same */
  int begin_h, end_h;
} lists;

/* A file takes the place of the one before at once, as `mv` does. */
static void put_lists(const place *p, const lists *l)
{
  gh_buf pem = GH_BUF_INIT;
  char next[512], path[512];
  add_list_pem(&pem, &(list_of){.issuer = p->p.middle.cert,
                                .signer = p->p.middle.key,
                                .revoked = l->revoked,
                                .begin_h = l->begin_h,
                                .end_h = l->end_h});
  add_list_pem(&pem, &(list_of){.issuer = p->p.root.cert,
                                .signer = p->p.root.key,
                                .revoked = l->revoked_by_root,
                                .begin_h = -1,
                                .end_h = 24});
  gh_buf_add_char(&pem, '\0');
  snprintf(next, sizeof next, "%s", temp_path(p->dir, "next.pem"));
  snprintf(path, sizeof path, "%s", temp_path(p->dir, "crl.pem"));
  temp_write(next, pem.ptr, 0644);
  assert_int_equal(rename(next, path), 0);
  gh_buf_free(&pem);
}

/* One that stands already; true: the device ends it. */
static bool ends(SSL *ssl)
{
  char octet;
  int got = SSL_read(ssl, &octet, 1);
  ERR_clear_error();
  return got <= 0;
}

/*= TS-0003 8.1.2.5 the status of the registrar's certificate: on the list, on none, or with no list that counts */
static void revoked_certificates(void **state)
{
  place *p = *state;
  holder cse = issued(GH_CERT_CSE_ID, CSE_FQDN, NULL, &p->p.middle);
  p->crl = gh_str_of(temp_path(p->dir, "crl.pem"));
  assert_int_equal(give_good(p, &p->p.meter), GH_EIO); /* not there yet */
  temp_write(temp_path(p->dir, "crl.pem"), "no list", 0644);
  assert_int_equal(give_good(p, &p->p.meter), GH_ESYNTAX);
  put_lists(p, &(lists){.begin_h = -1, .end_h = 24});
  assert_int_equal(give_good(p, &p->p.meter), GH_OK);
  gh_device_close(p->device); /* it is kept */
  open_device(p);
  start(p);
  static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (int i = 0; i < 2; i++) {
    const struct {
      lists lists;
      bool good;
    } rows[] = {{{.begin_h = -1, .end_h = 24}, true},
                {{.revoked = cse.cert, .begin_h = -1, .end_h = 24}, false},
                {{.revoked = p->p.meter.cert, .begin_h = -1, .end_h = 24}, true},
                {{.revoked_by_root = p->p.middle.cert, .begin_h = -1, .end_h = 24}, false},
                {{.begin_h = -2, .end_h = -1}, false}, /* over */
                {{.begin_h = 1, .end_h = 24}, false},  /* not yet */
                {{.begin_h = -1, .end_h = 24}, true}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
      put_lists(p, &rows[k].lists);
      if (comes(p, &cse, versions[i]) != rows[k].good) fail_msg("row %zu", k);
    }
  }
  assert_int_equal(unlink(temp_path(p->dir, "crl.pem")), 0);
  assert_true(comes(p, &cse, TLS1_3_VERSION)); /* what was read counts until its end */
  temp_write(temp_path(p->dir, "crl.pem"), "no list", 0644);
  assert_true(comes(p, &cse, TLS1_2_VERSION));
  /*= TS-0003 8.2.1 an association that stands ends with its credential */
  int fd = registrar_connect(p->server);
  SSL *ssl = registrar_client(&p->p, &cse, TLS1_3_VERSION);
  SSL_set_fd(ssl, fd);
  assert_int_equal(SSL_connect(ssl), 1);
  assert_int_equal(SSL_write(ssl, "P", 1), 1);
  put_lists(p, &(lists){.revoked = cse.cert, .begin_h = -1, .end_h = 24});
  time_t begun = time(NULL);
  assert_true(ends(ssl));
  assert_true(time(NULL) - begun < 9); /* registrar_connect waits for ten */
  SSL_free(ssl);
  close(fd);
  stop(p);
  assert_int_equal(unlink(temp_path(p->dir, "crl.pem")), 0);
  gh_device_close(p->device);
  open_device(p);
  start(p);
  assert_false(comes(p, &cse, TLS1_2_VERSION)); /* nothing was read, and nobody knows */
  holder_free(&cse);
}

/*= TS-0003 8.2.1 the broker of a device that listens there: a list that comes while the connection stands */
static void a_broker_that_is_revoked(void **state)
{
  place *p = *state;
  char at[32];
  gh_diag diag = {""};
  gh_reply reply;
  uint16_t port = free_port();
  pid_t broker = certified_broker(p->dir, &p->p, port);
  p->crl = gh_str_of(temp_path(p->dir, "crl.pem"));
  put_lists(p, &(lists){.begin_h = -1, .end_h = 24});
  assert_int_equal(give_good(p, &p->p.meter), GH_OK);
  snprintf(at, sizeof at, "127.0.0.1:%u", port);
  p->device->config.mqtt_broker = gh_str_of(at);
  p->device->config.mqtt_name = GH_STR(CSE_FQDN);
  gh_device_state_set(p->device, &p->device->state.ae_id, GH_STR("Cmeter"));
  assert_int_equal(gh_device_use_binding(p->device, GH_STR("mqtt"), &diag), GH_OK);
  assert_int_equal(gh_device_listen(p->device, GH_STR_NONE, on_notify, p, &p->server, &diag), GH_OK);
  if (gh_device_associate(p->device, GH_DEVICE_KEY_CERTIFICATE, &reply, &diag) != GH_OK) fail_msg("%s", diag.text);
  put_lists(p, &(lists){.revoked = p->p.meter.cert, .begin_h = -1, .end_h = 24}); /* somebody else */
  assert_int_equal(gh_device_wait_closed(p->device, 300), GH_ETIMEOUT);
  put_lists(p, &(lists){.revoked = p->p.server.cert, .begin_h = -1, .end_h = 24});
  assert_int_equal(gh_device_wait_closed(p->device, 0), GH_OK);
  assert_null(p->device->cse);
  assert_int_equal(gh_device_associate(p->device, GH_DEVICE_KEY_CERTIFICATE, &reply, &diag), GH_EAUTH);
  assert_non_null(strstr(diag.text, "the certificate is revoked"));
  gh_device_server_close(p->server);
  p->server = NULL;
  mosquitto_end(broker);
}

int main(void)
{
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_it_takes, setup, teardown),
      cmocka_unit_test_setup_teardown(what_it_refuses, setup, teardown),
      cmocka_unit_test_setup_teardown(who_may_come, setup, teardown),
      cmocka_unit_test_setup_teardown(revoked_certificates, setup, teardown),
      cmocka_unit_test_setup_teardown(a_broker_that_is_revoked, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
