/* Clients that we did not write, as processes: openssl s_client and gnutls-cli with a pre-shared key speaking HTTP by
 * hand, curl with a client certificate. What they are refused, they must be refused by these programs' own word. */
#include "link_pki.h"
#include "tls_peer.h"

#include <sys/wait.h>

static const link_key keys[] = {{.identity = "meter@maf.sp.example.com", .key_hex = GOOD_KEY, .peer_id = METER_ID}};
static pki p;

typedef struct third_party {
  link_test *t;
  char dir[64], port[8], where[32];
} third_party;

static void write_pem(const third_party *x, const char *name, gh_str pem)
{
  char path[128];
  snprintf(path, sizeof path, "%s/%s", x->dir, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(pem.ptr, 1, pem.len, file), pem.len);
  assert_int_equal(fclose(file), 0);
}

static int set_up(void **state, uint32_t resumption_s)
{
  third_party *x = calloc(1, sizeof *x);
  pki_make(&p);
  x->t = link_new(keys, 1);
  x->t->tls.chain_pem = gh_buf_str(&p.server_chain_pem);
  x->t->tls.key_pem = gh_buf_str(&p.server_key_pem);
  x->t->tls.anchors_pem = gh_buf_str(&p.root_pem);
  x->t->tls.resumption_s = resumption_s;
  link_open(x->t);
  snprintf(x->dir, sizeof x->dir, "/tmp/gatehouse-test-XXXXXX");
  assert_non_null(mkdtemp(x->dir));
  snprintf(x->port, sizeof x->port, "%u", x->t->port);
  snprintf(x->where, sizeof x->where, "127.0.0.1:%u", x->t->port);
  gh_buf chain = GH_BUF_INIT, key = GH_BUF_INIT, both = GH_BUF_INIT;
  pem_of(&p.meter, &chain, &key);
  gh_buf_add(&both, gh_buf_str(&chain));
  gh_buf_add(&both, gh_buf_str(&p.middle_pem));
  write_pem(x, "root.pem", gh_buf_str(&p.root_pem));
  write_pem(x, "leaf.pem", gh_buf_str(&chain));
  write_pem(x, "chain.pem", gh_buf_str(&both));
  write_pem(x, "key.pem", gh_buf_str(&key));
  gh_buf_free(&chain);
  gh_buf_free(&both);
  gh_buf_wipe_free(&key);
  *state = x;
  return 0;
}

static int setup(void **state)
{
  return set_up(state, 0);
}

static int setup_resuming(void **state)
{
  return set_up(state, 600);
}

static int teardown(void **state)
{
  third_party *x = *state;
  char command[128];
  link_end(x->t);
  pki_free(&p);
  snprintf(command, sizeof command, "rm -rf '%s'", x->dir);
  assert_int_equal(system(command), 0);
  free(x);
  return 0;
}

static char output[65536];

static bool installed(const char *program)
{
  char command[64];
  snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
  return system(command) == 0;
}

/* Runs a program for at most 30 s with `input`; its standard input stays open until it has closed its output. Returns
 * its exit code. */
static int run(const char *input, const char *const *words)
{
  int in[2], out[2], status;
  const char *argv[48] = {"timeout", "30"};
  size_t count = 2, len = 0;
  for (; *words; words++) argv[count++] = *words;
  argv[count] = NULL;
  assert_int_equal(pipe(in), 0);
  assert_int_equal(pipe(out), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(out[1], 2);
    for (int fd = 3; fd < 256; fd++) close(fd);
    union {
      const char **borrowed;
      char *const *args;
    } list = {.borrowed = argv};
    execvp(argv[0], list.args);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  if (input) assert_true(write(in[1], input, strlen(input)) >= 0);
  if (!input) close(in[1]);
  for (ssize_t got; len < sizeof output - 1 && (got = read(out[0], output + len, sizeof output - 1 - len)) > 0;)
    len += (size_t)got;
  output[len] = '\0';
  if (input) close(in[1]);
  close(out[0]);
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(input, ...) run((input), (const char *const[]){__VA_ARGS__, NULL})

static void assert_output(const char *text)
{
  if (!strstr(output, text)) fail_msg("\"%s\" is not in:\n%s", text, output);
}

static void assert_nobody_served(const third_party *x)
{
  if (strstr(output, "AE //")) fail_msg("served:\n%s", output);
  assert_int_equal(counts_now(x->t).ready, 0);
}

#define S_CLIENT(where) "openssl", "s_client", "-connect", (where), "-quiet", "-ign_eof", "-servername", CSE_FQDN

/*= TS-0003 8.2.2.1 */
static void openssl_with_a_key(void **state)
{
  third_party *x = *state;
  RUN(ASK_LAST, S_CLIENT(x->where), "-psk_identity", keys[0].identity, "-psk", GOOD_KEY, "-tls1_2");
  assert_output("AE " METER_ID " TLSv1.2 ECDHE-PSK-CHACHA20-POLY1305");
  RUN(ASK_LAST, S_CLIENT(x->where), "-psk_identity", keys[0].identity, "-psk", GOOD_KEY, "-tls1_2", "-cipher",
      "PSK-AES128-CCM8:@SECLEVEL=0"); /* the level of the client, which OpenSSL 3.5 wants for CCM_8 */
  assert_output("AE " METER_ID " TLSv1.2 PSK-AES128-CCM8");
  RUN(ASK_LAST, S_CLIENT(x->where), "-psk_identity", keys[0].identity, "-psk", GOOD_KEY,
      "-tls1_3"); /* begins with X25519 */
  assert_output("AE " METER_ID " TLSv1.3");
  RUN(ASK ASK ASK_LAST, S_CLIENT(x->where), "-psk_identity", keys[0].identity, "-psk", GOOD_KEY, "-tls1_3");
  const char *at = output;
  for (int i = 0; i < 3; i++) {
    at = strstr(at, "AE " METER_ID);
    assert_non_null(at);
    at++;
  }
}

static void openssl_is_refused(void **state)
{
  third_party *x = *state;
  static const struct {
    const char *identity, *key, *version, *cipher, *word;
  } cases[] = {
      {"meter@maf.sp.example.com", "ff23456789abcdef0123456789abcdef", "-tls1_2", "PSK", "alert bad record mac"},
      {"nobody@maf.sp.example.com", GOOD_KEY, "-tls1_2", "PSK", "alert bad record mac"},
      {"meter@maf.sp.example.com", "ff23456789abcdef0123456789abcdef", "-tls1_3", "PSK", NULL},
      {"nobody@maf.sp.example.com", GOOD_KEY, "-tls1_3", "PSK", NULL},
      {"meter@maf.sp.example.com", GOOD_KEY, "-tls1", "ALL:@SECLEVEL=0", "alert protocol version"},
      {"meter@maf.sp.example.com", GOOD_KEY, "-tls1_1", "ALL:@SECLEVEL=0", "alert protocol version"},
      {"meter@maf.sp.example.com", GOOD_KEY, "-tls1_2", "PSK-AES128-CBC-SHA:@SECLEVEL=0", "alert handshake failure"},
      {"meter@maf.sp.example.com", GOOD_KEY, "-tls1_2", "PSK-NULL-SHA256:@SECLEVEL=0", "alert handshake failure"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    RUN(ASK_LAST, S_CLIENT(x->where), "-psk_identity", cases[i].identity, "-psk", cases[i].key, cases[i].version,
        "-cipher", cases[i].cipher);
    const char *binder =
        bad_binder_alert() == SSL_AD_DECRYPT_ERROR ? "alert decrypt error" : "alert illegal parameter";
    assert_output(cases[i].word ? cases[i].word : binder);
    assert_nobody_served(x);
  }
}

/* "R" asks openssl s_client to renegotiate. */
static void openssl_renegotiates(void **state)
{
  third_party *x = *state;
  RUN(ASK "R\n" ASK_LAST, "openssl", "s_client", "-connect", x->where, "-servername", CSE_FQDN, "-psk_identity",
      keys[0].identity, "-psk", GOOD_KEY, "-tls1_2");
  assert_int_equal(counts_now(x->t).ready, 1);
  assert_int_equal(counts_now(x->t).asked, 1);
  assert_null(strstr(output, "TLSv1.2 Handshake [length 0010], Finished\nRENEGOTIATING"));
}

#define GNUTLS(x, key, priority)                                                                                     \
  "gnutls-cli", "--port", (x)->port, "--pskusername", keys[0].identity, "--pskkey", (key), "--priority", (priority), \
      "--no-ca-verification", "--sni-hostname", CSE_FQDN, "127.0.0.1"

static void gnutls_with_a_key(void **state)
{
  third_party *x = *state;
  if (!installed("gnutls-cli")) fail_msg("gnutls-cli is missing: tools/setup.sh test installs it");
  static const struct {
    const char *priority, *expected;
  } cases[] = {
      {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-GCM",
       "AE " METER_ID " TLSv1.2 PSK-AES128-GCM-SHA256"},
      {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256",
       "AE " METER_ID " TLSv1.2 PSK-AES128-CBC-SHA256"},
      {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-SECP256R1",
       "AE " METER_ID " TLSv1.3"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases;
       i++) { /* (gnutls-cli 3.7.9 crashes with ECDHE-PSK below TLS 1.3, whoever serves) */
    RUN(ASK_LAST, GNUTLS(x, GOOD_KEY, cases[i].priority));
    assert_output(cases[i].expected);
  }
}

static void gnutls_is_refused(void **state)
{
  third_party *x = *state;
  if (!installed("gnutls-cli")) fail_msg("gnutls-cli is missing: tools/setup.sh test installs it");
  static const struct {
    const char *key, *priority, *word;
  } cases[] = {
      {"ff23456789abcdef0123456789abcdef", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK", "fatal alert"},
      {GOOD_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+ARCFOUR-128:-MAC-ALL:+SHA1",
       "fatal alert"}, /* RC4 */
      {GOOD_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+3DES-CBC", "fatal alert"},
      {GOOD_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+NULL:-MAC-ALL:+SHA256", "fatal alert"},
      {GOOD_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.1:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1", "fatal alert"},
      {GOOD_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:%NO_SESSION_HASH", ""}, /* no extended master secret */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    RUN(ASK_LAST, GNUTLS(x, cases[i].key, cases[i].priority));
    const char *binder =
        bad_binder_alert() == SSL_AD_DECRYPT_ERROR ? "alert decrypt error" : "alert illegal parameter";
    assert_output(cases[i].word ? cases[i].word : binder);
    assert_nobody_served(x);
  }
}

#define CURL(x, version)                                                                                             \
  "curl", "-sS", "--max-time", "20", "--noproxy", "*", "--resolve", resolve, "--cacert", root, "--tlsv1.2",          \
      "--tls-max", (version), url

/*= TS-0003 8.2.2.2 */
static void curl_with_a_certificate(void **state)
{
  third_party *x = *state;
  char resolve[80], url[80], root[96], leaf[96], chain[96], key[96];
  if (!installed("curl")) fail_msg("curl is missing: tools/setup.sh test installs it");
  snprintf(resolve, sizeof resolve, CSE_FQDN ":%s:127.0.0.1", x->port);
  snprintf(url, sizeof url, "https://" CSE_FQDN ":%s/", x->port);
  snprintf(root, sizeof root, "%s/root.pem", x->dir);
  snprintf(leaf, sizeof leaf, "%s/leaf.pem", x->dir);
  snprintf(chain, sizeof chain, "%s/chain.pem", x->dir);
  snprintf(key, sizeof key, "%s/key.pem", x->dir);
  static const char *const versions[] = {"1.2", "1.3"};
  for (size_t v = 0; v < 2; v++) { /* refused first: nobody was let in before */
    int code = RUN(NULL, CURL(x, versions[v]));
    assert_int_not_equal(code, 0);
    assert_nobody_served(x);
    code = RUN(NULL, CURL(x, versions[v]), "--cert", leaf, "--key", key); /* without its intermediate */
    assert_int_not_equal(code, 0);
    assert_output("alert");
    assert_nobody_served(x);
  }
  for (size_t v = 0; v < 2; v++) {
    char expected[120];
    snprintf(expected, sizeof expected, "AE " METER_ID " TLSv%s", versions[v]);
    assert_int_equal(RUN(NULL, CURL(x, versions[v]), url, "--cert", chain, "--key", key),
                     0); /* twice over one association */
    assert_output(expected);
    assert_int_equal(counts_now(x->t).ready, v + 1);
    assert_int_equal(counts_now(x->t).requests, 2 * (v + 1));
  }
}

/*= TS-0003 6.1.2.2.1 */
static void curl_in_clear_text(void **state)
{
  third_party *x = *state;
  char url[80];
  if (!installed("curl")) fail_msg("curl is missing: tools/setup.sh test installs it");
  snprintf(url, sizeof url, "http://127.0.0.1:%s/", x->port);
  assert_int_equal(
      RUN(NULL, "curl", "-sS", "--max-time", "20", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", url),
      0);
  assert_string_equal(output, "403");
  assert_nobody_served(x);
}

/* ---- resumption */

static int resumed(const third_party *x)
{
  return (int)atomic_load(&x->t->worker.counters.handshakes_resumed);
}

/* The second time it shows the session and nothing else that would do: a wrong key, no certificate. */
static void openssl_resumes(void **state)
{
  third_party *x = *state;
  char file[96], chain[96], key[96];
  snprintf(file, sizeof file, "%s/session.pem", x->dir);
  snprintf(chain, sizeof chain, "%s/chain.pem", x->dir);
  snprintf(key, sizeof key, "%s/key.pem", x->dir);
  static const char *const versions[] = {"-tls1_2", "-tls1_3"};
  const char *wrong = "ff23456789abcdef0123456789abcdef", *who = keys[0].identity;
  for (size_t v = 0; v < 2; v++) {
    RUN(ASK_LAST, S_CLIENT(x->where), versions[v], "-psk_identity", who, "-psk", GOOD_KEY, "-sess_out", file);
    assert_output("AE " METER_ID);
    RUN(ASK_LAST, S_CLIENT(x->where), versions[v], "-psk_identity", who, "-psk", wrong, "-sess_in", file);
    assert_output("AE " METER_ID);
    assert_int_equal(resumed(x), 2 * (int)v + 1);
    RUN(ASK_LAST, S_CLIENT(x->where), versions[v], "-cert", chain, "-cert_chain", chain, "-key", key, "-sess_out",
        file);
    assert_output("AE " METER_ID);
    RUN(ASK_LAST, S_CLIENT(x->where), versions[v], "-sess_in", file);
    assert_output("AE " METER_ID);
    assert_int_equal(resumed(x), 2 * (int)v + 2);
  }
  RUN("Q\n", "openssl", "s_client", "-connect", x->where, "-servername", CSE_FQDN, "-psk_identity", who, "-psk",
      GOOD_KEY, "-tls1_2", "-reconnect");
  assert_output("Reused, TLSv1.2");
  assert_int_equal(resumed(x), 4 + 5);
}

/*= RFC 8446 2.2; RFC 5246 7.3 */
static void gnutls_resumes(void **state)
{
  third_party *x = *state;
  if (!installed("gnutls-cli")) fail_msg("gnutls-cli is missing: tools/setup.sh test installs it");
  static const char *const priorities[] = {
      "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-GCM",
      "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-SECP256R1"};
  for (size_t i = 0; i < 2; i++) {
    RUN(ASK_LAST, GNUTLS(x, GOOD_KEY, priorities[i]), "--resume", "--waitresumption");
    assert_output("This is a resumed session");
    assert_output("AE " METER_ID);
    assert_int_equal(resumed(x), i + 1);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(openssl_with_a_key, setup, teardown),
      cmocka_unit_test_setup_teardown(openssl_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(openssl_renegotiates, setup, teardown),
      cmocka_unit_test_setup_teardown(gnutls_with_a_key, setup, teardown),
      cmocka_unit_test_setup_teardown(gnutls_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(openssl_resumes, setup_resuming, teardown),
      cmocka_unit_test_setup_teardown(gnutls_resumes, setup_resuming, teardown),
      cmocka_unit_test_setup_teardown(curl_with_a_certificate, setup, teardown),
      cmocka_unit_test_setup_teardown(curl_in_clear_text, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
