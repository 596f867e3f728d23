/* Programs that we did not write: `openssl ocsp` answers our questions over HTTP, `openssl s_client -status` reads
 * what we staple, `openssl s_server -status_file` staples to our client, `openssl crl` reads and `openssl ca` writes
 * lists. */
#include "status_fixture.h"

#include <sys/wait.h>

#include "bind/web_outbound.h"

static pki p;
static char dir[64];

static const char *path(const char *name)
{
  static char paths[4][128];
  static int turn;
  char *at = paths[turn++ % 4];
  snprintf(at, sizeof paths[0], "%s/%s", dir, name);
  return at;
}

static void write_file(const char *name, gh_str octets)
{
  FILE *file = fopen(path(name), "w");
  assert_non_null(file);
  assert_int_equal(fwrite(octets.ptr, 1, octets.len, file), octets.len);
  assert_int_equal(fclose(file), 0);
}

static void write_holder(const char *cert, const char *key, const holder *h)
{
  gh_buf cert_pem = GH_BUF_INIT, key_pem = GH_BUF_INIT;
  pem_of(h, &cert_pem, &key_pem);
  write_file(cert, gh_buf_str(&cert_pem));
  write_file(key, gh_buf_str(&key_pem));
  gh_buf_free(&cert_pem);
  gh_buf_wipe_free(&key_pem);
}

static int make_all(void **state)
{
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  pki_make(&p);
  snprintf(dir, sizeof dir, "/tmp/gatehouse-test-XXXXXX");
  assert_non_null(mkdtemp(dir));
  write_holder("ca.pem", "ca.key", &p.middle);
  write_holder("meter.pem", "meter.key", &p.meter);
  write_holder("server.pem", "server.key", &p.server);
  write_file("root.pem", gh_buf_str(&p.root_pem));
  return 0;
}

static int free_all(void **state)
{
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", dir);
  assert_int_equal(system(command), 0);
  pki_free(&p);
  return 0;
}

/* ---- a program that listens on a port which the system chooses, and says so */

typedef struct program {
  pid_t pid;
  FILE *out;
  uint16_t port;
} program;

static void start(program *x, const char *const *words)
{
  int out[2];
  const char *argv[40] = {"timeout", "60"};
  size_t count = 2;
  for (; *words; words++) argv[count++] = *words;
  argv[count] = NULL;
  assert_int_equal(pipe(out), 0);
  x->pid = fork();
  assert_true(x->pid >= 0);
  if (x->pid == 0) {
    int nothing[2];
    if (pipe(nothing) != 0) _exit(126);
    dup2(nothing[0], 0); /* stays open: an end of input ends s_server */
    dup2(out[1], 1);
    dup2(out[1], 2);
    union {
      const char **borrowed;
      char *const *args;
    } list = {.borrowed = argv};
    execvp(argv[0], list.args);
    _exit(127);
  }
  close(out[1]);
  x->out = fdopen(out[0], "r");
  x->port = 0;
  char line[256];
  while (!x->port && fgets(line, sizeof line, x->out)) {
    const char *at = strstr(line, "ACCEPT "), *colon = at ? strrchr(line, ':') : NULL;
    if (colon) x->port = (uint16_t)strtoul(colon + 1, NULL, 10);
  }
  if (!x->port) fail_msg("the program does not listen");
}

static void stop(program *x)
{
  int status;
  kill(x->pid, SIGTERM); /* of `timeout`, which passes it on */
  fclose(x->out);
  assert_int_equal(waitpid(x->pid, &status, 0), x->pid);
}

#define START(x, ...) start((x), (const char *const[]){__VA_ARGS__, NULL})

static char output[65536];

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...)
{
  char command[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(command, sizeof command, format, args);
  va_end(args);
  FILE *pipe_end = popen(command, "r");
  assert_non_null(pipe_end);
  size_t len = fread(output, 1, sizeof output - 1, pipe_end);
  output[len] = '\0';
  return pclose(pipe_end);
}

/* The responder's own book. */
static void write_index(const holder *revoked)
{
  gh_buf text = GH_BUF_INIT;
  const holder *all[] = {&p.meter, &p.server};
  for (size_t i = 0; i < 2; i++) {
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(all[i]->cert), NULL);
    char *hex = BN_bn2hex(number);
    bool is = all[i] == revoked;
    gh_buf_fmt(&text, "%s\t351231235959Z\t%s\t%s\tunknown\t/CN=%zu\n", is ? "R" : "V", is ? "250101000000Z" : "", hex,
               i);
    OPENSSL_free(hex);
    BN_free(number);
  }
  write_file("index.txt", gh_buf_str(&text));
  gh_buf_free(&text);
}

static void start_responder(program *x, char url[static 64])
{
  START(x, "openssl", "ocsp", "-index", path("index.txt"), "-port", "0", "-rsigner", path("ca.pem"), "-rkey",
        path("ca.key"), "-CA", path("ca.pem"), "-ndays", "1");
  snprintf(url, 64, "http://127.0.0.1:%u/", x->port);
}

static gh_certificate_status_options real_web(void)
{
  gh_certificate_status_options o = status_options(NULL);
  o.web = gh_web_outbound();
  return o;
}

static link_test *serve(gh_certificate_status *status)
{
  link_test *t = link_new(NULL, 0);
  t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  t->tls.status = gh_certificate_status_source(status);
  link_open(t);
  return t;
}

static bool served(link_test *t, bool tls13, int *alert)
{
  int version = tls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  tls_peer_options options = {.suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
                              .min_version = version,
                              .max_version = version,
                              .groups = "P-256",
                              .cert = p.meter.cert,
                              .key = p.meter.key,
                              .issuer = p.middle.cert};
  tls_peer peer;
  bool in = peer_connect(&peer, t->port, &options) && peer_ask(&peer, ASK_LAST);
  *alert = peer.alert;
  peer_end(&peer);
  return in;
}

/*= TS-0003 8.1.2.5; OCSP over HTTP (RFC 6960 appendix A) */
static void openssl_as_responder(void **state)
{
  (void)state;
  for (int revoked = 0; revoked < 2; revoked++) {
    program responder;
    char url[64];
    write_index(revoked ? &p.meter : NULL);
    start_responder(&responder, url);
    gh_certificate_status_options o = real_web();
    o.ocsp_url = url;
    gh_certificate_status *status = status_open(&o);
    link_test *t = serve(status);
    int alert;
    for (int tls13 = 0; tls13 < 2; tls13++) {
      assert_int_equal(served(t, tls13, &alert), !revoked);
      if (revoked) assert_int_equal(alert, SSL_AD_CERTIFICATE_REVOKED);
    }
    link_end(t);
    gh_certificate_status_close(status);
    stop(&responder);
  }
}

/* Nobody listens there any more: require refuses, soft lets in. */
/* Nobody else can listen there either while the test runs. */
static int port_without_listener(char *url, size_t size)
{
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  snprintf(url, size, "http://127.0.0.1:%u/", ntohs(in.sin_port));
  return fd;
}

static void no_responder(void **state)
{
  (void)state;
  char url[64];
  int fd = port_without_listener(url, sizeof url);
  for (int policy = GH_STATUS_SOFT; policy <= GH_STATUS_REQUIRE; policy++) {
    gh_certificate_status_options o = real_web();
    o.ocsp_url = url;
    o.ocsp = (gh_status_policy)policy;
    gh_certificate_status *status = status_open(&o);
    link_test *t = serve(status);
    int alert;
    assert_int_equal(served(t, true, &alert), policy == GH_STATUS_SOFT);
    link_end(t);
    gh_certificate_status_close(status);
  }
  close(fd);
}

/*= RFC 6066 8; what we staple, read by openssl */
static void openssl_reads_our_staple(void **state)
{
  (void)state;
  program responder;
  char url[64];
  gh_buf der = GH_BUF_INIT;
  write_index(NULL);
  start_responder(&responder, url);
  gh_certificate_status_options o = real_web();
  o.ocsp_url = url;
  o.ocsp = GH_STATUS_OFF;
  o.staple = true;
  o.chain_pem = gh_buf_str(&p.server_chain_pem);
  gh_certificate_status *status = status_open(&o);
  const gh_status_source *source = gh_certificate_status_source(status);
  for (int i = 0; i < 1000 && !source->own_staple(source->ctx, &der); i++) usleep(10000);
  assert_true(der.len > 0);
  gh_buf_free(&der);
  link_test *t = serve(status);
  static const char *const versions[] = {"-tls1_2", "-tls1_3"};
  for (size_t i = 0; i < 2; i++) {
    run("echo | timeout 20 openssl s_client -connect 127.0.0.1:%u %s -status -servername " CSE_FQDN
        " -cert '%s/meter.pem' -key '%s/meter.key' -cert_chain '%s/ca.pem' -CAfile '%s/root.pem' 2>&1",
        t->port, versions[i], dir, dir, dir, dir);
    if (!strstr(output, "OCSP Response Status: successful") || !strstr(output, "Cert Status: good"))
      fail_msg("%s", output);
  }
  link_end(t);
  gh_certificate_status_close(status);
  stop(&responder);
}

static bool our_client(link_test *t, gh_certificate_status *status, bool tls13)
{
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT;
  pem_of(&p.meter, &chain, &key);
  gh_buf_add(&chain, gh_buf_str(&p.middle_pem));
  gh_tls_client_options options = {.tls = {.chain_pem = gh_buf_str(&chain),
                                           .key_pem = gh_buf_str(&key),
                                           .anchors_pem = gh_buf_str(&p.root_pem),
                                           .status = gh_certificate_status_source(status),
                                           .tls13 = tls13,
                                           .require_ems = true},
                                   .server_name = GH_STR(CSE_FQDN)};
  client_side c;
  client_begin(&c, t, &options);
  client_connect(&c, 1);
  pthread_mutex_lock(&t->lock);
  while (!c.ready && !c.closed) pthread_cond_wait(&t->changed, &t->lock);
  bool ready = c.ready;
  pthread_mutex_unlock(&t->lock);
  client_end(&c);
  gh_buf_free(&chain);
  gh_buf_wipe_free(&key);
  return ready;
}

/*= RFC 6066 8; what openssl staples, read by our client */
static void openssl_staples_to_us(void **state)
{
  (void)state;
  for (int code = V_OCSP_CERTSTATUS_GOOD; code <= V_OCSP_CERTSTATUS_REVOKED; code++) {
    gh_buf der = GH_BUF_INIT;
    const answer_of answer = {.cert = p.server.cert,
                              .issuer = p.middle.cert,
                              .signer = p.middle.key,
                              .status = code,
                              .begin_h = -1,
                              .end_h = 1};
    add_answer(&der, &answer);
    write_file("staple.der", gh_buf_str(&der));
    gh_buf_free(&der);
    program server;
    START(&server, "openssl", "s_server", "-accept", "0", "-cert", path("server.pem"), "-key", path("server.key"),
          "-cert_chain", path("ca.pem"), "-status_file", path("staple.der"));
    gh_certificate_status_options o = real_web();
    o.stapling = GH_STATUS_REQUIRE;
    gh_certificate_status *status = status_open(&o);
    link_test *t = serve(status);
    t->port = server.port;
    for (int tls13 = 0; tls13 < 2; tls13++)
      assert_int_equal(our_client(t, status, tls13), code == V_OCSP_CERTSTATUS_GOOD);
    link_end(t);
    gh_certificate_status_close(status);
    stop(&server);
  }
}

/* A list that `openssl ca` wrote, read by us, from a file. */
static void a_list_of_openssl(void **state)
{
  (void)state;
  for (int revoked = 0; revoked < 2; revoked++) {
    write_index(revoked ? &p.meter : NULL);
    gh_buf conf = GH_BUF_INIT;
    gh_buf_fmt(&conf, "[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index.txt\ncrlnumber=%s/number\ndefault_md=sha256\n", dir,
               dir);
    write_file("ca.conf", gh_buf_str(&conf));
    gh_buf_free(&conf);
    write_file("number", GH_STR("01\n"));
    if (run("cd '%s' && openssl ca -config ca.conf -gencrl -keyfile ca.key -cert ca.pem -crldays 2 -out list.pem "
            "2>&1",
            dir) != 0)
      fail_msg("%s", output);
    run("openssl crl -in '%s/list.pem' -CAfile '%s/ca.pem' -noout -text 2>&1", dir, dir);
    if (!strstr(output, revoked ? "Revoked Certificates:" : "No Revoked Certificates")) fail_msg("%s", output);
    gh_certificate_status_options o = real_web();
    const char *list = path("list.pem");
    o.crl_path = list;
    gh_certificate_status *status = status_open(&o);
    link_test *t = serve(status);
    int alert;
    assert_int_equal(served(t, revoked, &alert), !revoked);
    link_end(t);
    gh_certificate_status_close(status);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(openssl_as_responder),     cmocka_unit_test(no_responder),
      cmocka_unit_test(openssl_reads_our_staple), cmocka_unit_test(openssl_staples_to_us),
      cmocka_unit_test(a_list_of_openssl),
  };
  return cmocka_run_group_tests(tests, make_all, free_all);
}
