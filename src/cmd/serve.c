/* gatehouse serve: runs functions of a realm until SIGTERM or SIGINT. */
#include <signal.h>
#include <unistd.h>

#include "cmd/runtime.h"
#include "cmd/verbs.h"

enum { DRAIN_MS = 5000 };

static gh_err choose(gh_call *call, const gh_realm *realm, const gh_realm_function **out, size_t *count,
                     gh_diag *diag)
{
  *count = 0;
  if (call->operand_count == 0)
    for (size_t i = 0; i < realm->function_count; i++) out[(*count)++] = &realm->functions[i];
  for (size_t i = 0; i < call->operand_count; i++) {
    const gh_realm_function *f = gh_realm_function_named(realm, call->operands[i]);
    if (!f) return gh_realm_lacks(realm, call->operands[i], diag);
    out[(*count)++] = f;
  }
  return GH_OK;
}

/* Signals are taken by this thread alone: the workers inherit the mask. */
static void wait_for_end(gh_runtime *runtime, const sigset_t *signals)
{
  for (;;) {
    int number = 0;
    if (sigwait(signals, &number) != 0) return;
    GH_LOG(&runtime->log, GH_LOG_INFO, "signal", GH_F("number", number));
    if (number != SIGHUP) return;
    gh_runtime_reload(runtime);
  }
}

/* "cse.coap": "127.0.0.1:5684" */
static void say_coap(gh_call *call, gh_val *all, const gh_served *s)
{
  const struct {
    const char *binding;
    gh_str listen;
    uint16_t port;
  } rows[] = {{"coap", s->function->coap_listen, s->coap.udp_port},
              {"coaps_tcp", s->function->coaps_tcp_listen, s->coap.tcp_port}};
  for (size_t i = 0; i < 2; i++) {
    if (!rows[i].port) continue;
    gh_str host = gh_str_sub(rows[i].listen, 0, gh_str_rfind(rows[i].listen, ':'));
    gh_str name = gh_arena_fmt(&call->arena, "%.*s.%s", GH_STR_ARG(s->function->name), rows[i].binding);
    gh_str where = gh_arena_fmt(&call->arena, "%.*s:%u", GH_STR_ARG(host), rows[i].port);
    gh_val_set(&call->arena, all, name, gh_val_str(&call->arena, where));
  }
}

static void say_ready(gh_call *call, const gh_runtime *runtime)
{
  gh_val *all = gh_val_object(&call->arena);
  for (size_t i = 0; i < runtime->served_count; i++) {
    const gh_served *s = &runtime->served[i];
    gh_str where = gh_arena_fmt(&call->arena, "%s:%u", s->function->listen_host, s->port);
    gh_val_set(&call->arena, all, s->function->name, gh_val_str(&call->arena, where));
    say_coap(call, all, s);
  }
  gh_call_done(call, all);
  fflush(call->out);
}

static gh_exit run(gh_call *call)
{
  gh_realm realm;
  gh_runtime runtime;
  gh_diag diag = {""};
  const gh_realm_function *functions[GH_REALM_MAX_FUNCTIONS];
  size_t count = 0;
  sigset_t signals;
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&signals);
  const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < 3; i++) sigaddset(&signals, numbers[i]);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
  gh_err err = gh_realm_read(gh_call_text(call, "config", GH_STR("gatehouse.conf")).ptr, &realm, &diag);
  if (err == GH_OK) err = choose(call, &realm, functions, &count, &diag);
  if (err != GH_OK) {
    gh_realm_free(&realm);
    return gh_call_failed(call, err, &diag);
  }
  err = gh_runtime_start(&runtime, &realm, functions, count, &diag);
  if (err == GH_OK) {
    say_ready(call, &runtime);
    wait_for_end(&runtime, &signals);
  }
  gh_runtime_stop(&runtime, DRAIN_MS);
  gh_realm_free(&realm);
  return err == GH_OK ? GH_EXIT_DONE : gh_call_failed(call, err, &diag);
}

static const gh_opt options[] = {{"config", 'c', GH_OPT_TEXT, "FILE", "configuration file, or the folder of a realm"},
                                 {.name = NULL}};

const gh_verb gh_verb_serve = {
    .words = "serve",
    .operands = "[FUNCTION...]",
    .min_operands = 0,
    .max_operands = GH_CALL_MAX_OPERANDS,
    .help = "run functions of a realm",
    .details = "Runs all functions of the realm, or those named, until SIGTERM or SIGINT; then answers what is under "
               "way and stops.\n"
               "Prints the address of each function once it listens.",
    .options = options,
    .run = run,
};
