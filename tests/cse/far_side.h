/* A CSE between others: what it sends on is kept, and answered as the test says. For tests only. */
#ifndef GH_TESTS_FAR_SIDE_H
#define GH_TESTS_FAR_SIDE_H

#include "../host/harness.h"

typedef struct far_side { /* of the outbound port */
  int count;
  char entity[128], to[128], from[128]; /* of the last call */
  const gh_media_type *sent, *wanted;   /* NULL: application/json */
  int rsc;                              /* 0: the call fails with `err` */
  gh_err err;
} far_side;

typedef struct place {
  harness h;
  far_side far;
} place;

static inline void far_answers(void *ctx, gh_worker *worker, gh_outbound_call *call)
{
  far_side *far = ctx;
  (void)worker;
  far->count++;
  snprintf(far->entity, sizeof far->entity, "%.*s", GH_STR_ARG(call->entity));
  snprintf(far->to, sizeof far->to, "%.*s", GH_STR_ARG(call->request.to));
  snprintf(far->from, sizeof far->from, "%.*s", GH_STR_ARG(call->request.from));
  far->sent = call->request.content_type;
  far->wanted = call->request.accept;
  call->err = far->rsc ? GH_OK : far->err;
  if (far->rsc)
    call->response = (gh_response){
        .rsc = far->rsc,
        .pc = gh_val_wrap(&call->arena, GH_STR("m2m:cnt"),
                          gh_val_wrap(&call->arena, GH_STR("rn"), gh_val_str(&call->arena, GH_STR("far"))))};
  call->done(call);
}

/* registrar NULL: the IN-CSE, else mn9 below it. Other settings before harness_open. */
static inline place *place_prepare(const char *registrar)
{
  place *p = calloc(1, sizeof *p);
  p->far.rsc = 2000;
  harness_prepare(&p->h, &gh_cse_function);
  p->h.options.outbound = (gh_outbound){&p->far, far_answers};
  p->h.options.config.transit_us = GH_US_PER_S;
  if (registrar) {
    p->h.options.config.cse_type = 2;
    p->h.options.config.self.cse_id = GH_STR("mn9");
    p->h.options.config.registrar = gh_str_of(registrar);
  }
  return p;
}

static inline int setup_mn_cse(void **state)
{
  place *p = place_prepare("//sp.example.com/in-cse");
  harness_open(&p->h);
  *state = p;
  return 0;
}

static inline int teardown(void **state)
{
  place *p = *state;
  harness_stop(&p->h);
  free(p);
  return 0;
}

#endif
