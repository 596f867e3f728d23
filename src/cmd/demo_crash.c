/* Step 7: SIGKILL in the middle of a burst of creates; everything that was acknowledged must be there afterwards, and
 * nothing half. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/config.h"
#include "cmd/demo_story.h"
#include "gatehouse/client.h"
#include "m2m/constants.h"
#include "m2m/json.h"
#include "store/store.h"

enum { WRITERS = 4, PER_WRITER_MAX = 20000, BEFORE_KILL_MIN = 200, WAIT_MS_MAX = 20000 };

typedef struct writer {
  pthread_t thread;
  const char *dir;
  int number;
  atomic_int acknowledged;
  gh_err end;
} writer;

static void *write_until_killed(void *arg)
{
  writer *w = arg;
  gh_device *device = NULL;
  gh_diag diag;
  gh_reply reply;
  char content[160];
  w->end = gh_device_open(w->dir, NULL, &device, &diag);
  for (int i = 0; i < PER_WRITER_MAX && w->end == GH_OK; i++) {
    snprintf(content, sizeof content, "{\"m2m:cin\":{\"rn\":\"w%d-%d\",\"con\":\"burst\"}}", w->number, i);
    gh_device_request request = {.op = GH_DEVICE_CREATE,
                                 .to = GH_STR("cse-in/meter1/data"),
                                 .ty = GH_TY_CONTENT_INSTANCE,
                                 .rcn = 0,
                                 .content = gh_str_of(content)};
    w->end = gh_device_request_send(device, &request, &reply, &diag);
    if (w->end == GH_OK && reply.rsc != GH_RSC_CREATED) w->end = GH_EPROTO;
    if (w->end == GH_OK) atomic_fetch_add(&w->acknowledged, 1);
  }
  gh_device_close(device);
  return NULL;
}

static int sum(const writer *writers)
{
  int total = 0;
  for (int i = 0; i < WRITERS; i++) total += atomic_load(&writers[i].acknowledged);
  return total;
}

static int burst_and_kill(gh_demo *demo, writer *writers)
{
  gh_str dir = gh_demo_path(demo, "meter1");
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (writer){.dir = dir.ptr, .number = i};
    pthread_create(&writers[i].thread, NULL, write_until_killed, &writers[i]);
  }
  for (int waited = 0; sum(writers) < BEFORE_KILL_MIN && waited < WAIT_MS_MAX; waited += 5) usleep(5000);
  for (int i = 0; i < GH_DEMO_FUNCTIONS; i++) {
    gh_demo_kill(demo->pids[i]);
    demo->pids[i] = 0;
  }
  for (int i = 0; i < WRITERS; i++) pthread_join(writers[i].thread, NULL);
  return sum(writers);
}

/* Every acknowledged instance answers a RETRIEVE. */
static int count_present(gh_demo *demo, const writer *writers)
{
  gh_device *device = NULL;
  gh_diag diag;
  gh_reply reply;
  int present = 0;
  if (gh_device_open(gh_demo_path(demo, "meter1").ptr, NULL, &device, &diag) != GH_OK) return -1;
  for (int w = 0; w < WRITERS; w++)
    for (int i = 0; i < atomic_load(&writers[w].acknowledged); i++) {
      char to[96];
      snprintf(to, sizeof to, "cse-in/meter1/data/w%d-%d", w, i);
      gh_device_request request = {.op = GH_DEVICE_RETRIEVE, .to = gh_str_of(to), .rcn = -1};
      present += gh_device_request_send(device, &request, &reply, &diag) == GH_OK && reply.rsc == GH_RSC_OK;
    }
  gh_device_close(device);
  return present;
}

typedef struct tally {
  gh_arena *arena;
  int64_t instances, cni;
  bool damaged;
} tally;

/* A whole resource parses; the container counts exactly the instances that are stored. */
static gh_err tally_row(void *ctx, const gh_store_row *row)
{
  tally *t = ctx;
  gh_val *all, *attrs;
  gh_str root, rn = GH_STR("");
  if (gh_json_parse(t->arena, gh_arena_dup(t->arena, row->body), &gh_json_default_limits, &all, NULL) != GH_OK ||
      !gh_val_unwrap(all, &root, &attrs)) {
    t->damaged = true;
    return GH_OK;
  }
  gh_val_get_str(attrs, GH_STR("rn"), &rn);
  t->instances += row->ty == GH_TY_CONTENT_INSTANCE;
  if (row->ty == GH_TY_CONTAINER && gh_str_eq(rn, GH_STR("data"))) gh_val_get_int(attrs, GH_STR("cni"), &t->cni);
  return GH_OK;
}

static bool look_at_store(gh_demo *demo, tally *t)
{
  gh_realm realm;
  gh_diag diag;
  gh_store *store = NULL;
  bool good = gh_realm_read(demo->realm.ptr, &realm, &diag) == GH_OK;
  const gh_realm_function *cse = good ? gh_realm_first(&realm, GH_REALM_CSE) : NULL;
  good = cse && gh_store_open_readonly(cse->store.ptr, &store, &diag) == GH_OK &&
         gh_store_check(store, &diag) == GH_OK && gh_store_each_resource(store, tally_row, t) == GH_OK;
  gh_store_close(store);
  gh_realm_free(&realm);
  return good;
}

void gh_demo_crash(gh_demo *demo)
{
  writer writers[WRITERS];
  tally t = {.arena = demo->arena};
  gh_demo_title(demo, "7. kill -9 of all three processes in the middle of a burst of creates");
  int acknowledged = burst_and_kill(demo, writers);
  gh_demo_expect(demo, acknowledged >= BEFORE_KILL_MIN, "creates were acknowledged before the kill", "%d",
                 acknowledged);
  bool whole = look_at_store(demo, &t);
  gh_demo_expect(demo, whole && !t.damaged && t.instances == t.cni, "nothing is half written",
                 "%lld instances stored, the container counts %lld", (long long)t.instances, (long long)t.cni);
  gh_demo_expect(demo, gh_demo_start_all(demo), "the three processes start again", "%s", "");
  int present = count_present(demo, writers);
  gh_demo_expect(demo, present == acknowledged, "every acknowledged instance is there", "%d of %d", present,
                 acknowledged);
}
