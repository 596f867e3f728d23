/* Handshakes that must fail, over every version of TLS and every binding: keys that are unknown, wrong, past their
 * end or for another use, and certificates that do not stand. Each with the reason of the audit trail. TP-09, TP-13.
 */
#include "association_client.h"

#define BAD_KEY "00112233445566778899aabbccddeeff"

typedef enum certificate {
  NO_CERT,
  FOREIGN,
  EXPIRED,
  TOO_EARLY,
  NO_CHAIN,
  ANOTHER_SP,
  RAW_STRANGER,
  CERTIFICATES
} certificate;

typedef struct refused {
  const char *what;
  const char *identity, *key; /* identity NULL: a certificate, or nothing at all */
  certificate cert;
  const char *reason; /* the beginning of it; NULL: as wrong_key says */
} refused;

static const refused rows[] = {
    {"Kpsa that nobody has", "00000000000000000000000000000009@sp.example.com", GOOD_KEY, NO_CERT,
     "unknown-identity"},
    {"Kpsa with another key", KEY_AE "@sp.example.com", BAD_KEY, NO_CERT, NULL},
    {"identity without a name", "@sp.example.com", GOOD_KEY, NO_CERT, "identity-malformed"},
    {"identity without a domain", KEY_AE, GOOD_KEY, NO_CERT, "identity-malformed"},
    {"MAF of another realm", KEY_AE "@maf.example.org", GOOD_KEY, NO_CERT, "unknown-identity"},
    {"Kc with another key", KEY_AE "@maf.sp.example.com", BAD_KEY, NO_CERT, NULL},
    {"Kc past its end", "00000000000000000000000000000004@maf.sp.example.com", GOOD_KEY, NO_CERT, "expired"},
    {"Kc for another use", "00000000000000000000000000000005@maf.sp.example.com", GOOD_KEY, NO_CERT,
     "suid-violation"},
    {"Kc that the MAF denies", "00000000000000000000000000000006@maf.sp.example.com", GOOD_KEY, NO_CERT,
     "refused-by-issuer"},
    {"key of a MEF past its end", "00000000000000000000000000000004@mef.sp.example.com", GOOD_KEY, NO_CERT,
     "expired"},
    {"key of a MEF for another use", "00000000000000000000000000000005@mef.sp.example.com", GOOD_KEY, NO_CERT,
     "suid-violation"},
    {"key that the MEF denies", "00000000000000000000000000000006@mef.sp.example.com", GOOD_KEY, NO_CERT,
     "refused-by-issuer"},
    {"no credential", NULL, NULL, NO_CERT, "peer did not return a certificate"},
    {"certificate of a foreign root", NULL, NULL, FOREIGN, "certificate path: unable to get local issuer"},
    {"certificate past its end", NULL, NULL, EXPIRED, "certificate path: certificate has expired"},
    {"certificate before its time", NULL, NULL, TOO_EARLY, "certificate path: certificate is not yet valid"},
    {"certificate without its chain", NULL, NULL, NO_CHAIN, "certificate path: unable to get local issuer"},
    {"CSE of another service provider", NULL, NULL, ANOTHER_SP,
     "certificate of mn1.in-cse.sp.example.org stands for nobody known here"},
    {"raw public key that nobody has", NULL, NULL, RAW_STRANGER,
     "raw public key ni:///sha-256;"}, /* if there are any */
};

enum { ROWS = sizeof rows / sizeof *rows };

static hall place;
static holder foreign_root, holders[CERTIFICATES];

/* ---- the audit trail */

static pthread_mutex_t audit_lock = PTHREAD_MUTEX_INITIALIZER;
static char audited[256], own_address[32];
static bool has_failed;

/* Only of the client of this cell: an earlier one may fail once more when it tries again. */
static void on_failed(void *ctx, gh_str psk_identity, const char *address, const char *reason)
{
  (void)ctx;
  (void)psk_identity;
  pthread_mutex_lock(&audit_lock);
  if (!has_failed && strcmp(address, own_address) == 0) {
    snprintf(audited, sizeof audited, "%s", reason);
    has_failed = true;
  }
  pthread_mutex_unlock(&audit_lock);
}

static void listen_for(const tls_peer *p)
{
  pthread_mutex_lock(&audit_lock);
  snprintf(own_address, sizeof own_address, "127.0.0.1:%u", own_port_of(p->fd));
  has_failed = false;
  pthread_mutex_unlock(&audit_lock);
}

static bool take_reason(char out[static 256])
{
  pthread_mutex_lock(&audit_lock);
  bool taken = has_failed;
  if (taken) memcpy(out, audited, sizeof audited);
  has_failed = false;
  pthread_mutex_unlock(&audit_lock);
  return taken;
}

/* ---- the cells */

typedef struct cell {
  const channel *over;
  const refused *with;
  char name[96];
} cell;

static cell cells[CHANNELS * ROWS];

static tls_peer_options credential_of(const refused *r)
{
  if (r->identity) return (tls_peer_options){.identity = r->identity, .key_hex = r->key};
  static const unsigned char raw[] = {RAW_TYPE, NO_TYPE};
  if (r->cert == NO_CERT) return (tls_peer_options){.identity = NULL};
  if (r->cert == RAW_STRANGER) return (tls_peer_options){.key = holders[RAW_STRANGER].key, .cert_types = raw};
  const holder *h = r->cert == NO_CHAIN ? &place.realm.meter : &holders[r->cert];
  bool direct = r->cert == FOREIGN || r->cert == ANOTHER_SP || r->cert == NO_CHAIN;
  return (tls_peer_options){.cert = h->cert, .key = h->key, .issuer = direct ? NULL : place.realm.middle.cert};
}

/* Whatever is wrong with a key, a server says nothing over datagrams: it gives up by its clock. */
static void try_datagrams(const cell *c, tls_peer *p, const tls_peer_options *options, char reason[static 256])
{
  struct timeval limit = {.tv_usec = 100000};
  dtls_prepare_on(p, udp_connect(port_of(&place, c->over), 0), options);
  BIO_ctrl(SSL_get_rbio(p->ssl), BIO_CTRL_DGRAM_SET_RECV_TIMEOUT, 0, &limit);
  listen_for(p);
  bool over = false;
  for (int tries = 0; tries < 100 && !take_reason(reason); tries++) {
    if (over)
      nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    else
      over = peer_handshake(p) || p->alert != NO_ALERT;
    if (tries == 5 && c->with->identity) place.h.clock_offset_us += 11 * GH_US_PER_S;
  }
}

static void try_stream(const cell *c, tls_peer *p, const tls_peer_options *options, char reason[static 256])
{
  const struct timespec a_moment = {.tv_nsec = 10000000};
  peer_prepare(p, port_of(&place, c->over), options);
  listen_for(p);
  if (peer_handshake(p)) assert_true(peer_is_closed(p)); /* 1.3: heard of it later */
  for (int tries = 0; tries < 1000 && !take_reason(reason); tries++) nanosleep(&a_moment, NULL);
}

/* Over datagrams a wrong key is silence: what does not verify is dropped. */
static const char *wrong_key(const channel *over)
{
  if (over->version == TLS1_3_VERSION) return "binder does not verify";
  return over->version == TLS1_2_VERSION ? "decryption failed or bad record mac" : "handshake took too long";
}

/*= TS-0003 8.2.2.1; TS-0003 8.2.2.2; TS-0003 8.2.2.3; TS-0003 8.1.2.5 what must be refused, wherever it comes */
static void handshake_fails(void **state)
{
  const cell *c = *state;
  char reason[256] = "";
  tls_peer p;
  tls_peer_options as = credential_of(c->with), options = options_on(c->over, &as);
  if (c->over->binding == COAP_DTLS)
    try_datagrams(c, &p, &options, reason);
  else
    try_stream(c, &p, &options, reason);
  const char *expected = c->with->reason ? c->with->reason : wrong_key(c->over);
  if (strncmp(reason, expected, strlen(expected)) != 0)
    fail_msg("the audit trail says '%s', expected '%s'", reason, expected);
  peer_end(&p);
}

static int setup(void **state)
{
  (void)state;
  place.failed = on_failed;
  hall_open(&place);
  const holder *middle = &place.realm.middle;
  foreign_root = issued(GH_CERT_CA, "Other Root", NULL, NULL);
  holders[FOREIGN] = issued(GH_CERT_AE_ID, METER_ID, NULL, &foreign_root);
  holders[EXPIRED] = issued_for(GH_CERT_AE_ID, METER_ID, middle, -20, -10);
  holders[TOO_EARLY] = issued_for(GH_CERT_AE_ID, METER_ID, middle, 10, 20);
  holders[RAW_STRANGER].key = new_key();
  holders[ANOTHER_SP] = issued(GH_CERT_CSE_ID, "mn1.in-cse.sp.example.org", NULL, &place.realm.root);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  hall_close(&place);
  holder_free(&foreign_root);
  for (size_t i = 0; i < CERTIFICATES; i++) holder_free(&holders[i]);
  return 0;
}

int main(void)
{
  struct CMUnitTest tests[CHANNELS * ROWS];
  size_t count = CHANNELS * (gh_raw_public_key_available() ? ROWS : ROWS - 1);
  for (size_t i = 0; i < count; i++) {
    cells[i] = (cell){.over = &channels[i % CHANNELS], .with = &rows[i / CHANNELS]};
    snprintf(cells[i].name, sizeof cells[i].name, "%s; %s", cells[i].with->what, cells[i].over->what);
    tests[i] = (struct CMUnitTest){.name = cells[i].name, .test_func = handshake_fails, .initial_state = &cells[i]};
  }
  return _cmocka_run_group_tests("association_refusals", tests, count, setup, teardown);
}
