/* A device with a Kpsa that takes requests, served on a thread of its own; what its call-back saw. */
#ifndef GH_TEST_DEVICE_PLACE_H
#define GH_TEST_DEVICE_PLACE_H

#include "device_serving.h"

#include "m2m/constants.h"
#include "m2m/json.h"

#define CSE "in-cse.sp.example.com"
#define NAME "meter.example.com"
#define KEY_ID "meter@keys.example.com"

typedef struct place place;
struct place {
  void *dir;
  gh_device *device;
  gh_device_server *server;
  pthread_t thread;
  int rsc; /* the call-back's answer */
  int count;
  char from[64], to[64], content[128];
  size_t content_len;
  void (*act)(place *p); /* what the call-back does; NULL: nothing */
};

/* Of what a place says and saw: an answer over a socket tells threads nothing of each other's memory. */
static pthread_mutex_t place_lock = PTHREAD_MUTEX_INITIALIZER;

static inline void meet(void)
{
  pthread_mutex_lock(&place_lock);
  pthread_mutex_unlock(&place_lock);
}

static inline gh_secret key_of_octet(uint8_t octet)
{
  gh_secret key = {.len = 32};
  memset(key.bytes, octet, 32);
  return key;
}

static inline void copy(char *out, size_t size, gh_str text)
{
  snprintf(out, size, "%.*s", GH_STR_ARG(text));
}

static inline int on_notify(void *ctx, const gh_device_notification *n)
{
  place *p = ctx;
  pthread_mutex_lock(&place_lock);
  p->count++;
  copy(p->from, sizeof p->from, n->from);
  copy(p->to, sizeof p->to, n->to);
  p->content_len = n->content.len;
  copy(p->content, sizeof p->content, n->content);
  void (*act)(place * p) = p->act;
  int rsc = p->rsc;
  pthread_mutex_unlock(&place_lock);
  if (act) act(p);
  return rsc;
}

static inline int setup(void **state)
{
  place *p = calloc(1, sizeof *p);
  gh_diag diag = {""};
  gh_secret kpm = key_of_octet(0x5a), kpsa = key_of_octet(0x11);
  if (temp_dir_make(&p->dir) != 0) return -1;
  p->rsc = 2000;
  p->device = device_of(p->dir, "dev", CSE, &kpm);
  assert_int_equal(gh_device_set_psk(p->device, GH_STR(KEY_ID), &kpsa, &diag), GH_OK);
  *state = p;
  return 0;
}

static inline uint16_t port_of(const place *p)
{
  return port_of_server(p->server);
}

static inline void start(place *p)
{
  p->server = serving_begin(p->device, on_notify, p, &p->thread);
}

static inline void stop(place *p)
{
  serving_end(&p->server, p->thread);
}

static inline int teardown(void **state)
{
  place *p = *state;
  stop(p);
  gh_device_close(p->device);
  void *dir = p->dir;
  free(p);
  return temp_dir_drop(&dir);
}

static inline int ask(gh_client *client, gh_op op, const char *from, const char *content)
{
  gh_arena arena;
  gh_diag diag = {""};
  gh_response response = {0};
  gh_arena_init(&arena);
  gh_request request = {
      .op = op, .to = GH_STR("cse-in/Cmeter"), .from = gh_str_of(from), .has_from = from != NULL, .rcn = -1, .rt = 3};
  if (op == GH_OP_CREATE) request.ty = 3, request.has_ty = true;
  if (content)
    assert_int_equal(gh_json_parse(&arena, gh_str_of(content), &gh_json_default_limits, &request.pc, &diag), GH_OK);
  meet();
  gh_err err = gh_client_request(client, &arena, &request, &response, &diag);
  meet();
  if (err != GH_OK) fail_msg("%s", diag.text);
  gh_arena_free(&arena);
  return response.rsc;
}

#define NOTE "{\"m2m:sgn\":{\"sur\":\"x\"}}"

#endif
