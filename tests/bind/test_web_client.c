/* Exchanges with web servers, good, bad and slow: what is taken from them, and that nobody is followed. */
#include "../m2m/cmocka_all.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bind/web_client.h"

enum { PATIENCE_MS = 60000, MAX_BYTES = 64 };

/* ---- a server that says one thing to one client */

typedef struct web_server {
  int listener;
  uint16_t port;
  const char *answer; /* in pieces of `piece` octets */
  size_t piece;
  bool repeats; /* the last octet again and again, until the client leaves */
  bool silent;  /* after the answer it waits for the client to leave, instead of closing */
  char seen[1024];
  pthread_t thread;
} web_server;

static size_t read_question(int fd, char *out, size_t size)
{
  size_t got = 0, wanted = SIZE_MAX;
  while (got + 1 < size && got < wanted) {
    ssize_t more = recv(fd, out + got, size - 1 - got, 0);
    if (more <= 0) break;
    got += (size_t)more;
    out[got] = '\0';
    const char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "Content-Length: ");
    if (end) wanted = (size_t)(end + 4 - out) + (length ? strtoul(length + 16, NULL, 10) : 0);
  }
  return got;
}

static void *serve(void *arg)
{
  web_server *s = arg;
  char octet;
  int fd = accept(s->listener, NULL, NULL);
  read_question(fd, s->seen, sizeof s->seen);
  size_t len = strlen(s->answer), piece = s->piece ? s->piece : len;
  for (size_t at = 0; at < len; at += piece) {
    if (send(fd, s->answer + at, len - at < piece ? len - at : piece, MSG_NOSIGNAL) < 0) break;
    if (s->piece) usleep(1000);
  }
  while (s->repeats && send(fd, s->answer + len - 1, 1, MSG_NOSIGNAL) > 0) usleep(5000);
  while (s->silent && recv(fd, &octet, 1, 0) > 0) continue;
  close(fd);
  return NULL;
}

static void begin(web_server *s)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  s->listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(s->listener, 4), 0);
  assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
  s->port = ntohs(at.sin_port);
  assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void end(web_server *s)
{
  pthread_join(s->thread, NULL);
  close(s->listener);
}

typedef struct outcome {
  gh_err err;
  char body[256];
  gh_diag diag;
} outcome;

static outcome asked(uint16_t port, const char *path, gh_str body, uint32_t timeout_ms, atomic_bool *stop)
{
  char url[128];
  outcome o = {.err = GH_OK};
  gh_buf out = GH_BUF_INIT;
  gh_web web = gh_web_client(stop);
  snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
  const gh_web_request request = {.url = url,
                                  .body = body,
                                  .content_type = "application/ocsp-request",
                                  .timeout_ms = timeout_ms,
                                  .max_bytes = MAX_BYTES};
  o.err = web.exchange(web.ctx, &request, &out, &o.diag);
  snprintf(o.body, sizeof o.body, "%.*s", GH_STR_ARG(gh_buf_str(&out)));
  if (o.err != GH_OK) assert_non_null(strstr(o.diag.text, "127.0.0.1"));
  gh_buf_free(&out);
  return o;
}

static outcome get(web_server *s)
{
  begin(s);
  outcome o = asked(s->port, "/list.crl?x=1", GH_STR_NONE, PATIENCE_MS, NULL);
  end(s);
  return o;
}

/* ---- what is taken */

#define OK "HTTP/1.1 200 OK\r\n"

static void what_it_takes(void **state)
{
  (void)state;
  static const char *const answers[] = {
      OK "Content-Length: 5\r\n\r\nhello",
      OK "content-length:5\r\nContent-Type: application/pkix-crl\r\n\r\nhello and more",
      "HTTP/1.0 200 OK\r\nContent-type: application/ocsp-response\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.0 200 OK\r\n\r\nhello",
      OK "Connection: close\r\n\r\nhello",
      OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
  };
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    for (size_t piece = 0; piece < 2; piece++) {
      web_server s = {.answer = answers[i], .piece = piece};
      outcome o = get(&s);
      if (o.err != GH_OK || strcmp(o.body, "hello") != 0) fail_msg("row %zu: '%s' %s", i, o.body, o.diag.text);
      assert_int_equal(strncmp(s.seen, "GET /list.crl?x=1 HTTP/1.1\r\nHost: 127.0.0.1:", 44), 0);
      assert_null(strstr(s.seen, "Content-Length"));
    }
}

static void what_it_sends(void **state)
{
  (void)state;
  web_server s = {.answer = OK "Content-Length: 0\r\n\r\n"};
  begin(&s);
  outcome o = asked(s.port, "", GH_STR("question"), PATIENCE_MS, NULL);
  end(&s);
  assert_int_equal(o.err, GH_OK);
  assert_string_equal(o.body, "");
  assert_int_equal(strncmp(s.seen, "POST / HTTP/1.1\r\n", 17), 0);
  assert_non_null(strstr(s.seen, "Content-Type: application/ocsp-request\r\nContent-Length: 8\r\n\r\nquestion"));
}

/* ---- what is refused */

#define SEVENTY "1234567890123456789012345678901234567890123456789012345678901234567890"

static void what_it_refuses(void **state)
{
  (void)state;
  static const struct {
    const char *answer;
    gh_err err;
    const char *why;
  } rows[] = {
      {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 5\r\n\r\nhello", GH_EPROTO, "302"},
      {"HTTP/1.1 301 Moved\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", GH_EPROTO, "301"},
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", GH_EPROTO, "404"},
      {"HTTP/1.1 206 Partial\r\nContent-Length: 5\r\n\r\nhello", GH_EPROTO, "206"},
      {"HTTP/1.1 204 No Content\r\n\r\n", GH_EPROTO, "204"},
      {"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", GH_EPROTO, ""},
      {OK "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", GH_EPROTO, "coding"},
      {"", GH_ECONN, "without an answer"},
      {"HTT", GH_EPROTO, ""},
      {"hello\r\n\r\n", GH_EPROTO, ""},
      {"SSH-2.0-OpenSSH\r\n\r\n", GH_EPROTO, ""},
      {"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", GH_EPROTO, ""},
      {OK "Content-Length: 5\r\n\r\nhell", GH_EPROTO, ""},
      {OK "Content-Length: five\r\n\r\nhello", GH_EPROTO, ""},
      {OK "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", GH_EPROTO, ""},
      {OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GH_EPROTO, ""},
      {OK "Transfer-Encoding: gzip\r\n\r\nhello", GH_EPROTO, ""},
      {OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n", GH_EPROTO, ""},
      {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", GH_EPROTO, ""},
      {OK "Transfer-Encoding: chunked\r\n\r\n46\r\n" SEVENTY "\r\n0\r\n\r\n", GH_ELIMIT, "longer than 64"},
      {OK "Content-Length: 70\r\n\r\n" SEVENTY, GH_ELIMIT, "longer than 64"},
      {OK "\r\n" SEVENTY, GH_ELIMIT, "longer than 64"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    web_server s = {.answer = rows[i].answer};
    outcome o = get(&s);
    if (o.err != rows[i].err || !strstr(o.diag.text, rows[i].why))
      fail_msg("row %zu: %s, %s", i, gh_err_name(o.err), o.diag.text);
    assert_string_equal(o.body, "");
  }
}

/* A head without an end, a body that trickles, and one that does not come. */
static void who_is_slow(void **state)
{
  (void)state;
  static const struct {
    web_server server;
    gh_err err;
  } rows[] = {{{.answer = OK "Content-Length: 60\r\n\r\n", .silent = true}, GH_ETIMEOUT},
              {{.answer = "", .silent = true}, GH_ETIMEOUT},
              {{.answer = OK "X: y", .repeats = true}, GH_ETIMEOUT},
              {{.answer = OK "\r\nx", .repeats = true, .piece = 1}, GH_ETIMEOUT}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    web_server s = rows[i].server;
    begin(&s);
    outcome o = asked(s.port, "/", GH_STR_NONE, 100, NULL);
    end(&s);
    bool as_expected = o.err == rows[i].err || (s.repeats && (o.err == GH_ELIMIT || o.err == GH_EPROTO));
    if (!as_expected) fail_msg("row %zu: %s, %s", i, gh_err_name(o.err), o.diag.text);
  }
}

static void *stop_it(void *stop)
{
  usleep(50000);
  atomic_store((atomic_bool *)stop, true);
  return NULL;
}

static void who_gives_up(void **state)
{
  (void)state;
  atomic_bool stop = false;
  pthread_t stopper;
  web_server s = {.answer = OK, .silent = true};
  begin(&s);
  assert_int_equal(pthread_create(&stopper, NULL, stop_it, &stop), 0);
  outcome o = asked(s.port, "/", GH_STR_NONE, 100 * PATIENCE_MS, &stop);
  pthread_join(stopper, NULL);
  end(&s);
  assert_int_equal(o.err, GH_ECONN);
  assert_non_null(strstr(o.diag.text, "given up"));
}

static void nobody_there(void **state)
{
  (void)state;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  int bound = socket(AF_INET, SOCK_STREAM, 0); /* and does not listen */
  assert_int_equal(bind(bound, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(getsockname(bound, (struct sockaddr *)&at, &len), 0);
  assert_int_equal(asked(ntohs(at.sin_port), "/", GH_STR_NONE, PATIENCE_MS, NULL).err, GH_ECONN);
  close(bound);
}

static void urls(void **state)
{
  (void)state;
  static const char *const good[] = {
      "http://a",       "http://a/",        "http://a:8080",          "http://a.b:80/c?d=e",
      "http://[::1]/x", "http://[::1]:99/", "http://10.0.0.1:65535/", "http://a?b"};
  static const char *const bad[] = {
      "",           "http://",       "https://a/",     "ftp://a/",      "a",
      "http://:80", "http://a:0/",   "http://a:65536", "http://a:/",    "http://a:b/",
      "http://u@a", "http://a/#b",   "http://a b/",    "http://a/\r\n", "http://[::1",
      "http://[]/", "http://[::1]x", "HTTP//a",        "http:///x",     "http://a/\x7f"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!gh_web_url_valid(gh_str_of(good[i]))) fail_msg("%s", good[i]);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (gh_web_url_valid(gh_str_of(bad[i]))) fail_msg("%s", bad[i]);
  char text[3000] = "http://a/";
  memset(text + 9, 'x', sizeof text - 10);
  assert_false(gh_web_url_valid(gh_str_of(text)));
  gh_buf out = GH_BUF_INIT;
  gh_diag diag = {""};
  gh_web web = gh_web_client(NULL);
  const gh_web_request request = {.url = "https://a/", .timeout_ms = 1000, .max_bytes = MAX_BYTES};
  assert_int_equal(web.exchange(web.ctx, &request, &out, &diag), GH_EINVAL);
  gh_buf_free(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_it_takes), cmocka_unit_test(what_it_sends), cmocka_unit_test(what_it_refuses),
      cmocka_unit_test(who_is_slow),   cmocka_unit_test(who_gives_up),  cmocka_unit_test(nobody_there),
      cmocka_unit_test(urls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
