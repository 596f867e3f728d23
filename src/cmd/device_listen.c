/* gatehouse device listen: a device takes notifications through its registrar. One line of JSON for each, until
 * SIGTERM or SIGINT. */
#include <pthread.h>
#include <signal.h>

#include "cmd/device_call.h"
#include "cmd/verbs.h"
#include "m2m/json.h"

enum { LOOK_MS = 1000, RETRY_FIRST = 1, RETRY_MAX = 60 };

typedef struct listening {
  gh_call *call;
  gh_device *device;
  gh_device_server *server;
  gh_str point;
  bool said;       /* the line that says where */
  int wait, retry; /* before the next announcement, in looks */
} listening;

/* ---- what comes */

static void put(gh_arena *a, gh_val *o, const char *name, gh_str text)
{
  if (text.len) gh_val_set(a, o, gh_str_of(name), gh_val_str(a, text));
}

/* The first line; over an association of its own a notification may come before the announcement is answered. */
static void say_where(listening *l)
{
  if (l->said) return;
  l->said = true;
  gh_val *o = gh_val_object(&l->call->arena);
  gh_val_set(&l->call->arena, o, GH_STR("poa"), gh_val_str(&l->call->arena, l->point));
  gh_call_done(l->call, o);
  fflush(l->call->out);
}

/* What was answered 2000 has been written. */
static int on_notify(void *ctx, const gh_device_notification *n)
{
  enum { DONE = 2000, FAULT = 5000 };
  listening *l = ctx;
  FILE *out = l->call->out;
  say_where(l);
  gh_arena arena;
  gh_arena_init(&arena);
  gh_val *o = gh_val_object(&arena), *content = NULL;
  put(&arena, o, "from", n->from);
  put(&arena, o, "to", n->to);
  put(&arena, o, "rqi", n->rqi);
  gh_str text = gh_arena_dup(&arena, n->content);
  if (text.len && gh_json_parse(&arena, text, &gh_json_default_limits, &content, NULL) == GH_OK)
    gh_val_set(&arena, o, GH_STR("content"), content);
  gh_buf line = GH_BUF_INIT;
  gh_json_write(&line, o);
  fprintf(out, "%.*s\n", GH_STR_ARG(gh_buf_str(&line)));
  bool written = fflush(out) == 0 && !ferror(out);
  gh_buf_free(&line);
  gh_arena_free(&arena);
  return written ? DONE : FAULT;
}

/* ---- signals: one thread waits for them */

static void block_signals(sigset_t *signals)
{
  sigemptyset(signals);
  sigaddset(signals, SIGTERM);
  sigaddset(signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void *wait_for_end(void *ctx)
{
  listening *l = ctx;
  sigset_t signals;
  int number;
  block_signals(&signals);
  sigwait(&signals, &number);
  gh_device_server_stop(l->server);
  return NULL;
}

/* ---- the registrar knows where */

/* False: there is no sense in going on; *code says how it ends. */
static bool announce(listening *l, gh_exit *code)
{
  gh_reply reply = {.alert = -1};
  gh_diag diag = {""};
  gh_err err = gh_device_announce(l->device, l->point, &reply, &diag);
  if (err == GH_OK && reply.rsc < 4000) {
    l->retry = l->wait = 0;
    return true;
  }
  bool passes = l->retry && (err == GH_ECONN || err == GH_ETIMEOUT || (err == GH_OK && reply.rsc >= 5000));
  if (!passes) {
    *code = gh_call_reply(l->call, err, &reply, gh_val_object(&l->call->arena), &diag);
    return false;
  }
  l->wait = l->retry;
  l->retry = l->retry * 2 < RETRY_MAX ? l->retry * 2 : RETRY_MAX;
  return true;
}

/* The registrar has restarted, or the key is past its end: SA1 comes first again. */ /*= TS-0003 8.2.1 */
static bool look_after_association(listening *l, gh_exit *code)
{
  if (!l->retry && gh_device_wait_closed(l->device, 0) == GH_ETIMEOUT) return true;
  if (!l->retry) l->retry = RETRY_FIRST;
  return l->wait-- > 0 || announce(l, code);
}

static gh_exit serve(listening *l)
{
  gh_exit code = GH_EXIT_DONE;
  pthread_t waiter;
  if (!announce(l, &code)) return code;
  say_where(l);
  if (pthread_create(&waiter, NULL, wait_for_end, l) != 0) return GH_EXIT_FAILED;
  gh_err err = GH_ETIMEOUT;
  while (err == GH_ETIMEOUT && look_after_association(l, &code)) err = gh_device_serve(l->server, LOOK_MS);
  pthread_kill(waiter, SIGINT); /* where it was not a signal that ended it */
  pthread_join(waiter, NULL);
  gh_reply reply;
  gh_diag diag;
  if (err == GH_OK && gh_device_announce(l->device, GH_STR_NONE, &reply, &diag) != GH_OK)
    gh_call_note(l->call, "the registrar could not be told that %s", "this device takes no more requests");
  return code;
}

/* What the registrar would pass over is not announced. */
static gh_err check_point(gh_str binding, gh_str poa, gh_diag *diag)
{
  static const struct {
    const char *binding, *scheme;
  } rows[] = {{"http", "https://"}, {"coap", "coaps://"}, {"coaps_tcp", "coaps+tcp://"}, {"mqtt", "mqtts://"}};
  if (!poa.ptr) return GH_OK;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (!gh_str_eq(binding, gh_str_of(rows[i].binding))) continue;
    gh_str scheme = gh_str_of(rows[i].scheme);
    if (poa.len > scheme.len && gh_str_starts(poa, scheme)) return GH_OK;
    return gh_fail(diag, GH_EINVAL, "--poa: '%.*s' does not begin with %s", GH_STR_ARG(poa), rows[i].scheme);
  }
  return gh_fail(diag, GH_EINVAL, "--poa: over WebSocket there is no point of access");
}

static gh_exit run(gh_call *call)
{
  gh_diag diag = {""};
  sigset_t signals;
  listening l = {.call = call};
  block_signals(&signals); /* the threads that follow inherit it */
  bool misused = false;
  gh_err err = gh_call_device(call, &l.device, &diag);
  if (err == GH_OK) {
    gh_str binding = gh_device_config_get(l.device)->binding;
    bool ws = gh_str_eq(binding, GH_STR("ws")), own_link = ws || gh_str_eq(binding, GH_STR("mqtt"));
    gh_str at = gh_call_text(call, "at", own_link ? GH_STR_NONE : GH_STR("127.0.0.1:0"));
    err = check_point(binding, gh_call_text(call, "poa", GH_STR_NONE), &diag);
    misused = err != GH_OK;
    if (err == GH_OK) err = gh_device_listen(l.device, at, on_notify, &l, &l.server, &diag);
  }
  gh_exit code = GH_EXIT_FAILED;
  if (misused) {
    code = gh_call_misused(call, "%s", diag.text);
  } else if (err == GH_OK) {
    l.point = gh_call_text(call, "poa", gh_device_server_point(l.server));
    code = serve(&l);
  } else {
    code = gh_call_failed(call, err, &diag);
  }
  gh_device_server_close(l.server);
  gh_device_close(l.device);
  return code;
}

static const gh_opt options[] = {
    {"at", 0, GH_OPT_TEXT, "ADDRESS:PORT",
     "where to listen; port 0: the system chooses (127.0.0.1:0); not over MQTT and WebSocket"},
    {"poa", 0, GH_OPT_TEXT, "URL",
     "https://HOST:PORT (coaps://, coaps+tcp://, over MQTT mqtts://) that leads there "
     "from the registrar, where that is another (that of --at); not over WebSocket"},
    GH_OPT_BINDING,
    GH_OPT_CBOR,
    GH_OPT_PASSPHRASE,
    {.name = NULL}};

const gh_verb gh_verb_device_listen = {
    .words = "device listen",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .help = "take notifications, through the registrar",
    .details =
        "Tells the registrar that the registered device takes requests, and where; then prints each NOTIFY as a "
        "line of JSON,\n"
        "{\"from\",\"to\",\"rqi\",\"content\"}, and answers it 2000, until SIGTERM or SIGINT.\n"
        "Over HTTP (https), CoAP (coap: DTLS, coaps_tcp: TLS) it listens where --at says; over WebSocket on the "
        "connection that it\n"
        "opens to its registrar, which it keeps; over MQTT at its broker. With --cbor, or CBOR in device.conf, "
        "notifications\n"
        "come in CBOR; what is printed is JSON all the same.\n"
        "Only the registrar can come, with the key of the device's own associations with it. Who may notify is "
        "for the policies\n"
        "of the <AE> to say (acop 16).",
    .options = options,
    .run = run,
};
