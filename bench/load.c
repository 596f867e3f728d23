/* bench_load: requests, handshakes or idle connections against a server on this machine; prints one line of JSON.
 *   bench_load --port N [--mode requests|handshakes|idle] [--connections N] [--threads N] [--seconds S]
 *              [--request FILE | --websocket FILE | --coap PATH | --coap-elective PATH] [--tls 1.2|1.3|dtls1.2]
 *              [--ciphers LIST] [--suites13 LIST] [--cert FILE --key FILE] [--psk IDENTITY --psk-key HEX]
 * FILE: the octets of an HTTP request, or the text of a WebSocket message. Over TCP, or with dtls1.2 over UDP, where
 * requests are CoAP. */
#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

static int usage(const char *what)
{
  fprintf(stderr, "bench_load: %s\n", what);
  return 2;
}

static bool read_file(const char *path, load_options *o)
{
  static char text[65536];
  FILE *file = fopen(path, "rb");
  if (!file) return false;
  o->request_len = fread(text, 1, sizeof text, file);
  o->request = text;
  fclose(file);
  return o->request_len > 0;
}

static bool take_websocket(const char *path, load_options *o)
{
  if (!read_file(path, o)) return false;
  gh_str frame = load_ws_request(o->request, o->request_len);
  o->request = frame.ptr;
  o->request_len = frame.len;
  o->websocket = true;
  return frame.len > 0;
}

static bool take_coap(const char *path, bool elective, load_options *o)
{
  gh_str request = load_coap_request(path, elective);
  o->request = request.ptr;
  o->request_len = request.len;
  return request.len > 0;
}

static int version_named(const char *name)
{
  if (strcmp(name, "dtls1.2") == 0) return DTLS1_2_VERSION;
  return strcmp(name, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

static bool read_mode(const char *text, load_mode *out)
{
  static const char *const names[] = {"requests", "handshakes", "idle"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], text) == 0) {
      *out = (load_mode)i;
      return true;
    }
  return false;
}

static bool read_option(int which, const char *value, load_options *o, load_tls_options *tls)
{
  switch (which) {
  case 'p': o->address.sin_port = htons((uint16_t)atoi(value)); return true;
  case 'm': return read_mode(value, &o->mode);
  case 'c': o->connections = (unsigned)atoi(value); return o->connections > 0;
  case 't': o->threads = (unsigned)atoi(value); return o->threads > 0;
  case 's': o->seconds = atof(value); return true;
  case 'r': return read_file(value, o);
  case 'w': return take_websocket(value, o);
  case 'a': return take_coap(value, false, o);
  case 'A': return take_coap(value, true, o);
  case 'v':
    tls->version = version_named(value);
    o->datagram = tls->version == DTLS1_2_VERSION;
    return true;
  case 'S': tls->suites13 = value; return true;
  case 'C': tls->ciphers = value; return true;
  case 'e': tls->cert = value; return true;
  case 'k': tls->key = value; return true;
  case 'i': tls->psk_identity = value; return true;
  case 'K': tls->psk_hex = value; return true;
  default: return false;
  }
}

static bool read_options(int argc, char **argv, load_options *o, load_tls_options *tls)
{
  static const struct option known[] = {
      {"port", 1, NULL, 'p'},      {"mode", 1, NULL, 'm'},    {"connections", 1, NULL, 'c'},
      {"threads", 1, NULL, 't'},   {"seconds", 1, NULL, 's'}, {"request", 1, NULL, 'r'},
      {"tls", 1, NULL, 'v'},       {"ciphers", 1, NULL, 'C'}, {"cert", 1, NULL, 'e'},
      {"key", 1, NULL, 'k'},       {"psk", 1, NULL, 'i'},     {"psk-key", 1, NULL, 'K'},
      {"websocket", 1, NULL, 'w'}, {"coap", 1, NULL, 'a'},    {"coap-elective", 1, NULL, 'A'},
      {"suites13", 1, NULL, 'S'},  {NULL, 0, NULL, 0},
  };
  for (int which; (which = getopt_long(argc, argv, "", known, NULL)) != -1;)
    if (!read_option(which, optarg, o, tls)) return false;
  return optind == argc;
}

/* Waits for the measuring time, or (idle) until somebody closes our standard input. */
static void wait_for_end(const load_options *o)
{
  if (o->mode == LOAD_IDLE) {
    printf("standing\n");
    fflush(stdout);
    while (getchar() != EOF) continue;
    return;
  }
  usleep((useconds_t)(o->seconds * 1e6));
}

static void report(const load_thread *threads, unsigned count, double seconds)
{
  static latency all;
  uint64_t failures = 0, octets = 0;
  for (unsigned i = 0; i < count; i++) {
    latency_merge(&all, &threads[i].latency);
    failures += threads[i].failures;
    octets += threads[i].octets;
  }
  printf("{\"count\":%llu,\"seconds\":%.3f,\"rate\":%.1f,\"failures\":%llu,\"octets\":%llu,\"p50_us\":%.1f,\"p90_"
         "us\":%.1f,"
         "\"p99_us\":%.1f,\"p999_us\":%.1f}\n",
         (unsigned long long)all.count, seconds, (double)all.count / seconds, (unsigned long long)failures,
         (unsigned long long)octets, latency_at(&all, 0.5) / 1e3, latency_at(&all, 0.9) / 1e3,
         latency_at(&all, 0.99) / 1e3, latency_at(&all, 0.999) / 1e3);
}

static void measure(const load_options *o)
{
  atomic_bool stop = false;
  pthread_barrier_t start;
  load_thread *threads = calloc(o->threads, sizeof *threads);
  pthread_barrier_init(&start, NULL, o->threads + 1);
  for (unsigned i = 0; i < o->threads; i++) {
    load_thread *t = &threads[i];
    t->options = o;
    t->connections = o->connections / o->threads + (i < o->connections % o->threads);
    t->start = &start;
    t->stop = &stop;
    pthread_create(&t->thread, NULL, o->datagram ? load_datagram_main : load_thread_main, t);
  }
  pthread_barrier_wait(&start);
  uint64_t begun = now_ns();
  wait_for_end(o);
  double seconds = (double)(now_ns() - begun) / 1e9;
  atomic_store(&stop, true);
  for (unsigned i = 0; i < o->threads; i++) pthread_join(threads[i].thread, NULL);
  report(threads, o->threads, seconds);
  pthread_barrier_destroy(&start);
  free(threads);
}

int main(int argc, char **argv)
{
  load_options o = {.connections = 32, .threads = 2, .seconds = 2};
  load_tls_options tls = {0};
  o.address.sin_family = AF_INET;
  o.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!read_options(argc, argv, &o, &tls) || !o.address.sin_port) return usage("unknown or unusable option");
  if (o.mode == LOAD_REQUESTS && !o.request) return usage("--request is missing");
  if (o.mode == LOAD_HANDSHAKES && !tls.version) return usage("--tls is missing");
  if (o.threads > o.connections) o.threads = o.connections;
  load_bio_init();
  if (tls.version && !(o.tls = load_tls_new(&tls))) return 3;
  measure(&o);
  SSL_CTX_free(o.tls);
  return 0;
}
