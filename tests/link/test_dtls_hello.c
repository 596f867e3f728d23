/* The first datagrams of DTLS: hellos that OpenSSL makes are read, it takes our request and returns our cookie; what
 * is no ClientHello is dropped. TP-18. */
#include "../m2m/cmocka_all.h"

#include <openssl/ssl.h>
#include <stdlib.h>

#include "link/dtls_hello.h"

enum { DATAGRAM_MAX = 4096, RECORD_HEAD = 13 };

typedef struct peer {
  SSL_CTX *ctx;
  SSL *ssl;
  BIO *in, *out;
} peer;

static unsigned put_key(SSL *ssl, const char *hint, char *identity, unsigned cap, unsigned char *out,
                        unsigned out_cap)
{
  (void)ssl, (void)hint, (void)out_cap;
  snprintf(identity, cap, "K@maf.sp.example.com");
  memset(out, 7, 16);
  return 16;
}

static void begin(peer *p)
{
  p->ctx = SSL_CTX_new(DTLS_client_method());
  assert_int_equal(SSL_CTX_set_cipher_list(p->ctx, "PSK-AES128-GCM-SHA256"), 1);
  SSL_CTX_set_psk_client_callback(p->ctx, put_key);
  p->ssl = SSL_new(p->ctx);
  p->in = BIO_new(BIO_s_mem());
  p->out = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(p->in, -1);
  SSL_set_bio(p->ssl, p->in, p->out);
  SSL_set_options(p->ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(p->ssl, 1200);
  SSL_set_connect_state(p->ssl);
}

static void end(peer *p)
{
  SSL_free(p->ssl);
  SSL_CTX_free(p->ctx);
}

static gh_str next_hello(peer *p, char out[static DATAGRAM_MAX])
{
  (void)SSL_do_handshake(p->ssl);
  int len = BIO_read(p->out, out, DATAGRAM_MAX);
  assert_true(len > RECORD_HEAD);
  return (gh_str){out, (size_t)len};
}

/*= RFC 6347 4.2.1 */
static void openssl_returns_our_cookie(void **state)
{
  (void)state;
  peer p;
  char text[DATAGRAM_MAX];
  uint8_t mine[GH_DTLS_COOKIE_BYTES], request[GH_DTLS_VERIFY_BYTES];
  gh_str cookie = GH_STR("?");
  for (size_t i = 0; i < sizeof mine; i++) mine[i] = (uint8_t)(i * 7 + 1);
  begin(&p);
  gh_str hello = next_hello(&p, text);
  assert_int_equal(gh_dtls_hello_read(hello, &cookie), GH_OK);
  assert_int_equal(cookie.len, 0);
  assert_true(hello.len > sizeof request); /* a forged address gains nothing */
  gh_dtls_verify_request(hello, mine, request);
  assert_int_equal(BIO_write(p.in, request, sizeof request), sizeof request);
  hello = next_hello(&p, text);
  assert_int_equal(gh_dtls_hello_read(hello, &cookie), GH_OK);
  assert_int_equal(cookie.len, sizeof mine);
  assert_memory_equal(cookie.ptr, mine, sizeof mine);
  end(&p);
}

static gh_err read_copy(const char *octets, size_t len)
{
  char *copy = malloc(len ? len : 1); /* of its own, so that a step beyond it is noticed */
  gh_str cookie;
  assert_non_null(copy);
  memcpy(copy, octets, len);
  gh_err err = gh_dtls_hello_read((gh_str){copy, len}, &cookie);
  free(copy);
  return err;
}

static void what_is_cut_is_dropped(void **state)
{
  (void)state;
  peer p;
  char text[DATAGRAM_MAX];
  begin(&p);
  gh_str hello = next_hello(&p, text);
  for (size_t len = 0; len < hello.len; len++) assert_int_equal(read_copy(text, len), GH_ESYNTAX);
  assert_int_equal(read_copy(text, hello.len), GH_OK);
  end(&p);
}

static void put_number(char *at, size_t octets, size_t value)
{
  for (; octets; value >>= 8) at[--octets] = (char)value;
}

/* The first fragment of a hello, of each length: the cookie must be in it, and nothing behind it is looked at. */
/*= RFC 6347 4.2.3 */
static void the_first_fragment_is_enough(void **state)
{
  (void)state;
  enum { MESSAGE_HEAD = 12, TO_COOKIE = 2 + 32 + 1 };
  peer p;
  char text[DATAGRAM_MAX];
  begin(&p);
  gh_str hello = next_hello(&p, text);
  for (size_t here = 0; here < hello.len - RECORD_HEAD - MESSAGE_HEAD; here++) {
    put_number(text + 11, 2, MESSAGE_HEAD + here);
    put_number(text + RECORD_HEAD + 9, 3, here);
    gh_err expected = here > TO_COOKIE ? GH_OK : GH_ESYNTAX; /* both session and cookie are empty */
    if (read_copy(text, RECORD_HEAD + MESSAGE_HEAD + here) != expected) fail_msg("%zu octets", here);
  }
  end(&p);
}

static void what_is_no_hello_is_dropped(void **state)
{
  (void)state;
  static const struct {
    size_t at;
    uint8_t octet;
    const char *what;
  } rows[] = {
      {0, 21, "an alert"},
      {1, 3, "TLS"},
      {4, 1, "another epoch"},
      {11, 0xff, "a record longer than the datagram"},
      {13, 2, "a ServerHello"},
      {16, 40, "a message shorter than its fragment"},
      {21, 1, "a fragment that is not the first"},
      {22, 1, "a fragment longer than its record"},
      {25, 3, "a TLS version"},
      {25 + 34, 0xff, "a session longer than the message"},
      {25 + 35, 0xff, "a cookie longer than the message"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    peer p;
    char text[DATAGRAM_MAX];
    begin(&p);
    gh_str hello = next_hello(&p, text);
    assert_true((uint8_t)text[rows[i].at] != rows[i].octet);
    text[rows[i].at] = (char)rows[i].octet;
    if (read_copy(text, hello.len) != GH_ESYNTAX) fail_msg("taken: %s", rows[i].what);
    end(&p);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(openssl_returns_our_cookie),
      cmocka_unit_test(what_is_cut_is_dropped),
      cmocka_unit_test(the_first_fragment_is_enough),
      cmocka_unit_test(what_is_no_hello_is_dropped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
