/* What each security policy offers in a ClientHello and what its server accepts, against files under
 * tests/link/golden/ (one set for each generation of OpenSSL): our client writes to a recording socket, and the
 * octets of the lists that matter are compared. GH_GOLDEN_WRITE=1 writes the files anew; they are then read by a
 * person before they are committed. */
#include "link_pki.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encoding.h"
#include "link/tls.h"

#define PSK_ID "meter@maf.sp.example.com"
#define PSK_KEY "0123456789abcdef"

static pki p;

static int make_pki(void **state)
{
  (void)state;
  pki_make(&p);
  return 0;
}

static int free_pki(void **state)
{
  (void)state;
  pki_free(&p);
  return 0;
}

/* ---- recording */

typedef struct offer { /* raw octets of the lists */
  uint8_t hello[4096];
  size_t len;
} offer;

static gh_tls_options base_options(const gh_security_policy *policy, bool datagram)
{
  return (gh_tls_options){.chain_pem = gh_buf_str(&p.server_chain_pem),
                          .key_pem = gh_buf_str(&p.server_key_pem),
                          .anchors_pem = gh_buf_str(&p.root_pem),
                          .policy = policy,
                          .datagram = datagram,
                          .tls13 = true,
                          .require_ems = true};
}

/* One ClientHello of our client. */
static void record(const gh_security_policy *policy, bool datagram, bool psk, offer *out)
{
  int ends[2];
  gh_tls_client *client;
  gh_secret key = {.len = 0};
  gh_diag diag = {""};
  gh_handshake handshake = {.alert = -1};
  assert_int_equal(gh_secret_set(&key, PSK_KEY, 16), GH_OK);
  gh_tls_client_options options = {.tls = base_options(policy, datagram), .server_name = GH_STR(CSE_FQDN)};
  if (psk) {
    options.psk_identity = GH_STR(PSK_ID);
    options.psk = &key;
  }
  if (gh_tls_client_new(&options, &client, &diag) != GH_OK) fail_msg("%s", diag.text);
  assert_int_equal(socketpair(AF_UNIX, datagram ? SOCK_DGRAM : SOCK_STREAM, 0, ends), 0);
  SSL *ssl = gh_tls_client_ssl(client, &handshake);
  SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
  if (datagram) SSL_set_mtu(ssl, 1280);
  BIO *bio = BIO_new_socket(ends[0], BIO_NOCLOSE);
  BIO_set_nbio(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  struct timeval soon = {.tv_usec = 1000};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  SSL_do_handshake(ssl);
  ssize_t got = recv(ends[1], out->hello, sizeof out->hello, 0);
  assert_true(got > 60);
  out->len = (size_t)got;
  SSL_free(ssl);
  gh_tls_client_free(client);
  gh_secret_wipe(&key);
  close(ends[0]);
  close(ends[1]);
  ERR_clear_error();
}

typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

static cursor take(cursor *c, size_t len)
{
  assert_true((size_t)(c->end - c->at) >= len);
  cursor part = {c->at, c->at + len};
  c->at += len;
  return part;
}

static size_t number(cursor *c, size_t octets)
{
  size_t value = 0;
  for (cursor n = take(c, octets); n.at < n.end; n.at++) value = value << 8 | *n.at;
  return value;
}

static cursor vector(cursor *c, size_t len_octets)
{
  return take(c, number(c, len_octets));
}

static void line(gh_buf *text, const char *what, cursor octets, size_t each)
{
  gh_buf_fmt(text, "  %s:", what);
  while (octets.at < octets.end) {
    gh_buf_add_char(text, ' ');
    for (size_t i = 0; i < each; i++) gh_buf_fmt(text, "%02x", *take(&octets, 1).at);
  }
  gh_buf_add_char(text, '\n');
}

static void extension(gh_buf *text, size_t type, cursor body, gh_buf *types)
{
  enum { GROUPS = 10, POINTS = 11, SIGNATURES = 13, EMS = 23, VERSIONS = 43, PSK_MODES = 45 };
  gh_buf_fmt(types, " %zu", type);
  if (type == GROUPS) line(text, "groups", vector(&body, 2), 2);
  if (type == POINTS) line(text, "point formats", vector(&body, 1), 1);
  if (type == SIGNATURES) line(text, "signature algorithms", vector(&body, 2), 2);
  if (type == VERSIONS) line(text, "versions", vector(&body, 1), 2);
  if (type == PSK_MODES) line(text, "key exchange modes", vector(&body, 1), 1);
  if (type == EMS) assert_true(body.at == body.end);
}

static void show_offer(gh_buf *text, const char *title, const offer *o, bool datagram)
{
  cursor c = {o->hello, o->hello + o->len};
  gh_buf types = GH_BUF_INIT;
  gh_buf_fmt(text, "%s\n", title);
  take(&c, datagram ? 13 + 12 : 5 + 4); /* record, handshake message */
  line(text, "hello version", take(&c, 2), 2);
  take(&c, 32);
  vector(&c, 1);
  if (datagram) vector(&c, 1); /* cookie */
  line(text, "suites", vector(&c, 2), 2);
  line(text, "compression", vector(&c, 1), 1);
  for (cursor all = vector(&c, 2); all.at < all.end;) {
    size_t type = number(&all, 2);
    extension(text, type, vector(&all, 2), &types);
  }
  gh_buf_fmt(text, "  extensions:%.*s\n", GH_STR_ARG(gh_buf_str(&types)));
  gh_buf_free(&types);
}

/* ---- what the server takes */

static unsigned send_key(SSL *ssl, const char *hint, char *identity, unsigned identity_cap, unsigned char *out,
                         unsigned cap)
{
  (void)ssl;
  (void)hint;
  assert_true(identity_cap > sizeof PSK_ID && cap >= 16);
  memcpy(identity, PSK_ID, sizeof PSK_ID);
  memcpy(out, PSK_KEY, 16);
  return 16;
}

static gh_err find_key(void *ctx, gh_psk_query *query)
{
  (void)ctx;
  query->result = gh_secret_set(&query->key, PSK_KEY, 16);
  return query->result;
}

static gh_tls_server *new_server(const gh_security_policy *policy, bool datagram, const gh_key_source *source)
{
  gh_tls_server *server;
  gh_diag diag = {""};
  gh_random random = gh_random_system();
  gh_tls_options options = base_options(policy, datagram);
  if (gh_tls_server_new(&options, source, &random, &server, &diag) != GH_OK) fail_msg("%s", diag.text);
  return server;
}

/* A client that offers exactly this, to nobody's shame. */
static SSL *weak_client(bool datagram, const char *suites, const char *suites13)
{
  SSL_CTX *ctx = SSL_CTX_new(datagram ? DTLS_client_method() : TLS_client_method());
  SSL_CTX_set_security_level(ctx, 0);
  SSL_CTX_set_min_proto_version(ctx, suites13 ? TLS1_3_VERSION : datagram ? DTLS1_VERSION : TLS1_VERSION);
  if (!suites13 && !datagram) SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
  assert_int_equal(SSL_CTX_set_cipher_list(ctx, suites), 1);
  if (suites13) assert_int_equal(SSL_CTX_set_ciphersuites(ctx, suites13), 1);
  SSL_CTX_set_psk_client_callback(ctx, send_key);
  if (strstr(suites, "ECDSA")) {
    assert_int_equal(SSL_CTX_use_certificate(ctx, p.meter.cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, p.meter.key), 1);
    assert_int_equal(SSL_CTX_add1_chain_cert(ctx, p.middle.cert), 1);
  }
  SSL *ssl = SSL_new(ctx);
  SSL_CTX_free(ctx);
  SSL_set_connect_state(ssl);
  return ssl;
}

/* Both ends in memory; the suite they agreed on, or NULL. */
static const char *agreed(gh_tls_server *server, SSL *client, bool datagram)
{
  gh_handshake handshake = {.alert = -1};
  SSL *ssl = gh_tls_server_ssl(server, &handshake);
  SSL_clear_mode(ssl, SSL_MODE_ASYNC);
  SSL *both[] = {client, ssl};
  BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(up, -1);
  BIO_set_mem_eof_return(down, -1);
  BIO_up_ref(up);
  BIO_up_ref(down);
  SSL_set_bio(client, down, up);
  SSL_set_bio(ssl, up, down);
  for (int i = 0; i < 2 && datagram; i++) {
    SSL_set_options(both[i], SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(both[i], 16000);
  }
  for (int i = 0; i < 12; i++) SSL_do_handshake(both[i % 2]);
  bool done = SSL_is_init_finished(client) && SSL_is_init_finished(ssl);
  const char *name = done ? SSL_get_cipher_name(ssl) : NULL;
  SSL_free(ssl);
  gh_handshake_clear(&handshake);
  ERR_clear_error();
  return name;
}

static bool skipped(const char *name) /* TLS 1.3 is asked apart; anonymous suites need no list */
{
  return strncmp(name, "TLS_", 4) == 0;
}

static void show_accepted(gh_buf *text, const gh_security_policy *policy, bool datagram)
{
  gh_key_source source = {.find_psk = find_key};
  gh_tls_server *server = new_server(policy, datagram, &source);
  SSL *all = weak_client(datagram, "ALL:COMPLEMENTOFALL:eNULL:@SECLEVEL=0", NULL);
  gh_buf_fmt(text, "%s accepts\n", datagram ? "DTLS" : "TLS");
  const STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(all);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
    const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i));
    if (skipped(name)) continue;
    SSL *client = weak_client(datagram, name, NULL);
    if (agreed(server, client, datagram)) gh_buf_fmt(text, "  %s\n", name);
    SSL_free(client);
  }
  SSL_free(all);
  static const char *const suites13[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                         "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
                                         "TLS_AES_128_CCM_8_SHA256"};
  for (size_t i = 0; !datagram && i < sizeof suites13 / sizeof *suites13; i++) {
    SSL *client = weak_client(false, "PSK-AES128-CBC-SHA256", suites13[i]);
    if (agreed(server, client, false)) gh_buf_fmt(text, "  %s\n", suites13[i]);
    SSL_free(client);
  }
  gh_tls_server_free(server);
}

/* ---- golden files */

/* From 3.5 on OpenSSL has hybrid groups, and the extension renegotiation_info instead of a suite. */
static void golden(const char *name, const gh_buf *text)
{
  char path[128], found[8192];
  bool newer = OPENSSL_version_major() > 3 || OPENSSL_version_minor() >= 5;
  snprintf(path, sizeof path, "tests/link/golden/%s%s.txt", newer ? "openssl-3.5/" : "", name);
  bool write = getenv("GH_GOLDEN_WRITE") != NULL;
  FILE *file = fopen(path, write ? "w" : "r");
  if (!file) fail_msg("%s cannot be opened", path);
  if (write) {
    assert_int_equal(fwrite(text->ptr, 1, text->len, file), text->len);
    fclose(file);
    return;
  }
  size_t len = fread(found, 1, sizeof found - 1, file);
  found[len] = '\0';
  fclose(file);
  if (len != text->len || memcmp(found, text->ptr, len) != 0)
    fail_msg("%s holds\n%s\nbut it is now\n%.*s", path, found, (int)text->len, text->ptr);
}

/*= TS-0003 10.2.1; TS-0003 10.2.2; TS-0003 10.2.3 */
static void each_policy_offers_and_accepts_what_is_written(void **state)
{
  (void)state;
  const gh_security_policy *policy;
  for (size_t i = 0; (policy = gh_security_policy_at(i)); i++) {
    gh_buf text = GH_BUF_INIT;
    static const char *const titles[] = {"TLS offers with a certificate", "TLS offers with a key",
                                         "DTLS offers with a certificate", "DTLS offers with a key"};
    for (int how = 0; how < 4; how++) {
      offer o;
      record(policy, how / 2, how % 2, &o);
      show_offer(&text, titles[how], &o, how / 2);
    }
    show_accepted(&text, policy, false);
    show_accepted(&text, policy, true);
    golden(policy->name, &text);
    gh_buf_free(&text);
  }
}

/* RFC 7465, RFC 7919 and plain sense: no policy may ever name these. */
static void nothing_weak_in_any_policy(void **state)
{
  (void)state;
  static const char *const never[] = {"RC4", "DHE-PSK", "DHE-RSA", "ADH", "NULL", "EXP", "MD5", "DES", "CBC-SHA:"};
  const gh_security_policy *policy;
  for (size_t i = 0; (policy = gh_security_policy_at(i)); i++) {
    const char *lists[] = {policy->tls12.psk, policy->tls12.certificate, policy->dtls12.psk,
                           policy->dtls12.certificate};
    for (size_t j = 0; j < 4; j++)
      for (size_t k = 0; k < sizeof never / sizeof *never; k++) {
        const char *at = strstr(lists[j], never[k]);
        if (at && !(at > lists[j] && at[-1] == 'C' && strncmp(never[k], "DHE-PSK", 7) == 0))
          fail_msg("%s has %s", policy->name, never[k]);
      }
    assert_true(policy->tls_min >= TLS1_2_VERSION && policy->dtls_min == DTLS1_2_VERSION);
    assert_string_equal(policy->groups, "P-256");
  }
}

static void the_standards_own_policy(void **state)
{
  (void)state;
  const gh_security_policy *policy = gh_security_policy_named(GH_STR("ts0003-r3"));
  assert_non_null(policy);
  assert_string_equal(policy->tls12.psk, "PSK-AES128-CBC-SHA256");
  assert_string_equal(policy->tls12.certificate, "ECDHE-ECDSA-AES128-SHA256");
  assert_string_equal(policy->dtls12.psk, "PSK-AES128-CCM8");
  assert_string_equal(policy->dtls12.certificate, "ECDHE-ECDSA-AES128-CCM8");
  assert_null(policy->tls13);
  /* every other policy speaks these too, so that any two of ours understand each other */
  for (size_t i = 0; (policy = gh_security_policy_at(i)); i++) {
    assert_non_null(strstr(policy->tls12.psk, "PSK-AES128-CBC-SHA256"));
    assert_non_null(strstr(policy->tls12.certificate, "ECDHE-ECDSA-AES128-SHA256"));
    assert_non_null(strstr(policy->dtls12.psk, "PSK-AES128-CCM8"));
    assert_non_null(strstr(policy->dtls12.certificate, "ECDHE-ECDSA-AES128-CCM8"));
  }
}

static void names(void **state)
{
  (void)state;
  assert_string_equal(gh_security_policy_default->name, "modern");
  assert_ptr_equal(gh_security_policy_named(GH_STR("modern")), gh_security_policy_default);
  assert_null(gh_security_policy_named(GH_STR("Modern")));
  assert_null(gh_security_policy_named(GH_STR_NONE));
}

/* The policy `modern` between our client and our server, and with a client that has only one of its groups. */
static int group_agreed(gh_tls_server *server, SSL *client, size_t *hello)
{
  gh_handshake handshake = {.alert = -1};
  SSL *ssl = gh_tls_server_ssl(server, &handshake);
  SSL_clear_mode(ssl, SSL_MODE_ASYNC);
  SSL_clear_mode(client, SSL_MODE_ASYNC);
  BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(up, -1);
  BIO_set_mem_eof_return(down, -1);
  BIO_up_ref(up);
  BIO_up_ref(down);
  SSL_set_bio(client, down, up);
  SSL_set_bio(ssl, up, down);
  SSL_do_handshake(client);
  *hello = BIO_ctrl_pending(up);
  for (int i = 0; i < 12; i++) SSL_do_handshake(i % 2 ? client : ssl);
  bool done = SSL_is_init_finished(client) && SSL_is_init_finished(ssl);
  assert_int_equal(SSL_get_negotiated_group(client), SSL_get_negotiated_group(ssl));
  int group = done ? (int)SSL_get_negotiated_group(ssl) & 0xffff : 0;
  SSL_free(ssl);
  gh_handshake_clear(&handshake);
  ERR_clear_error();
  return group;
}

static int group_with_key(gh_tls_server *server, const char *groups)
{
  size_t hello;
  SSL *client = weak_client(false, "PSK-AES128-CBC-SHA256", "TLS_AES_128_GCM_SHA256");
  if (groups) assert_int_equal(SSL_set1_groups_list(client, groups), 1);
  int group = group_agreed(server, client, &hello);
  SSL_free(client);
  return group;
}

static int group_of_our_client(gh_tls_server *server, const char *policy, size_t *hello)
{
  gh_secret key = {.len = 0};
  gh_tls_client *ours;
  gh_diag diag = {""};
  gh_handshake handshake = {.alert = -1};
  assert_int_equal(gh_secret_set(&key, PSK_KEY, 16), GH_OK);
  gh_tls_client_options options = {.tls = base_options(gh_security_policy_named(gh_str_of(policy)), false),
                                   .server_name = GH_STR(CSE_FQDN),
                                   .psk_identity = GH_STR(PSK_ID),
                                   .psk = &key};
  if (gh_tls_client_new(&options, &ours, &diag) != GH_OK) fail_msg("%s", diag.text);
  SSL *client = gh_tls_client_ssl(ours, &handshake);
  int group = group_agreed(server, client, hello);
  SSL_free(client);
  gh_handshake_clear(&handshake);
  gh_tls_client_free(ours);
  gh_secret_wipe(&key);
  return group;
}

/* OpenSSL says its own number of what has one, else that of the protocol. */
enum { SECP256R1 = NID_X9_62_prime256v1, SECP256R1_MLKEM768 = 0x11eb, X25519_MLKEM768 = 0x11ec };

/* Negotiated, not only offered; who has no hybrid group goes on with P-256. */
static void hybrid_groups_are_agreed(void **state)
{
  (void)state;
  size_t hello;
  gh_key_source source = {.find_psk = find_key};
  gh_tls_server *server = new_server(gh_security_policy_named(GH_STR("modern")), false, &source);
  bool hybrid = gh_tls_group_available("X25519MLKEM768");
  assert_int_equal(group_of_our_client(server, "modern", &hello), hybrid ? X25519_MLKEM768 : SECP256R1);
  assert_int_equal(hello > 1184, hybrid); /* with the share, not after a HelloRetryRequest */
  assert_int_equal(group_of_our_client(server, "constrained", &hello), SECP256R1);
  assert_int_equal(group_with_key(server, "P-256"), SECP256R1);
  if (hybrid) {
    assert_int_equal(group_with_key(server, "SecP256r1MLKEM768"), SECP256R1_MLKEM768);
    assert_int_equal(group_with_key(server, "X25519MLKEM768:P-256"), X25519_MLKEM768);
    assert_int_equal(group_with_key(server, "SecP384r1MLKEM1024"), 0);
  }
  gh_tls_server_free(server);
  server = new_server(gh_security_policy_named(GH_STR("constrained")), false, &source);
  assert_int_equal(group_of_our_client(server, "modern", &hello), SECP256R1);
  if (hybrid) assert_int_equal(group_with_key(server, "X25519MLKEM768"), 0); /* not in this policy */
  gh_tls_server_free(server);
}

/* A group that the library lacks is left out, never an error. */
static void hybrid_groups_where_there_are_any(void **state)
{
  (void)state;
  gh_arena arena;
  gh_arena_init(&arena);
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  gh_security_policy odd = *gh_security_policy_default;
  odd.hybrid_groups = "NoSuchGroup:X25519:AnotherOne";
  assert_true(gh_str_eq(gh_security_policy_groups(&arena, ctx, &odd), GH_STR("X25519:P-256")));
  odd.hybrid_groups = NULL;
  assert_true(gh_str_eq(gh_security_policy_groups(&arena, ctx, &odd), GH_STR("P-256")));
  SSL_CTX_free(ctx);
  gh_arena_free(&arena);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_policy_offers_and_accepts_what_is_written),
      cmocka_unit_test(nothing_weak_in_any_policy),
      cmocka_unit_test(the_standards_own_policy),
      cmocka_unit_test(names),
      cmocka_unit_test(hybrid_groups_where_there_are_any),
      cmocka_unit_test(hybrid_groups_are_agreed),
  };
  return cmocka_run_group_tests(tests, make_pki, free_pki);
}
