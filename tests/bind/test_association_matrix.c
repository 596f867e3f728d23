/* The matrix of associations: every credential, over every version of TLS that a binding has, for every kind of
 * entity; each cell with what is permitted and with every refusal, by its exact codes. TP-05, TP-08, TP-13, TP-15. */
#include "association_client.h"

typedef enum entity { AN_AE, A_CSE, NOBODY_YET, A_NEW_AE, A_NEW_CSE, A_FUNCTION } entity;
typedef enum certificate {
  NO_CERT,
  AE_CERT,
  CSE_CERT,
  NEW_AE_CERT,
  NEW_CSE_CERT,
  NODE_CERT,
  DEVICE_CERT,
  NODE_CSE_CERT,
  DEVICE_CSE_CERT,
  FQDN_CERT,
  RAW_AE,
  RAW_CSE,
  RAW_NOBODY
} certificate;

typedef struct flavour {
  const char *what;
  entity entity;
  const char *identity; /* of a key, or */
  certificate cert;
} flavour;

static const flavour flavours[] = {
    {"Kpsa of an AE", AN_AE, KEY_AE "@sp.example.com", NO_CERT},
    {"Kpsa of a CSE", A_CSE, KEY_CSE "@sp.example.com", NO_CERT},
    {"Kpsa of nobody yet", NOBODY_YET, KEY_NOBODY "@sp.example.com", NO_CERT},
    {"Kc of an AE, from a MAF", AN_AE, KEY_AE "@maf.sp.example.com", NO_CERT},
    {"Kc of a CSE, from a MAF", A_CSE, KEY_CSE "@maf.sp.example.com", NO_CERT},
    {"Kc of nobody yet, from a MAF", NOBODY_YET, KEY_NOBODY "@maf.sp.example.com", NO_CERT},
    {"key of an AE, from a MEF", AN_AE, KEY_AE "@mef.sp.example.com", NO_CERT},
    {"key of a CSE, from a MEF", A_CSE, KEY_CSE "@mef.sp.example.com", NO_CERT},
    {"key of nobody yet, from a MEF", NOBODY_YET, KEY_NOBODY "@mef.sp.example.com", NO_CERT},
    {"AE-ID certificate", AN_AE, NULL, AE_CERT},
    {"CSE-ID certificate", A_CSE, NULL, CSE_CERT},
    {"AE-ID certificate of who registers", A_NEW_AE, NULL, NEW_AE_CERT},
    {"CSE-ID certificate of who registers", A_NEW_CSE, NULL, NEW_CSE_CERT},
    {"Node-ID certificate", NOBODY_YET, NULL, NODE_CERT},
    {"device certificate", NOBODY_YET, NULL, DEVICE_CERT},
    {"Node-ID certificate of a CSE", A_CSE, NULL, NODE_CSE_CERT},
    {"device certificate of a CSE", A_CSE, NULL, DEVICE_CSE_CERT},
    {"FQDN certificate of a MAF", A_FUNCTION, NULL, FQDN_CERT},
    {"raw public key of an AE", AN_AE, NULL, RAW_AE}, /* from here on: where this OpenSSL has them */
    {"raw public key of a CSE", A_CSE, NULL, RAW_CSE},
    {"raw public key of nobody yet", NOBODY_YET, NULL, RAW_NOBODY},
};

enum { FLAVOURS = sizeof flavours / sizeof *flavours, RAW_FLAVOURS = 3 };

/* ---- what each kind of entity asks, and what it is answered */

typedef struct step {
  question ask;
  int rsc;
} step;

#define BOX "cse-in/meter/box"
#define CIN "{\"m2m:cin\":{\"con\":\"x\"}}"
#define CNT "{\"m2m:cnt\":{\"rn\":\"forbidden\"}}"

static const step steps_of_ae[] = {
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 2000},
    {{GH_OP_CREATE, BOX, "Cmeter", GH_TY_CONTENT_INSTANCE, CIN}, 2001},
    {{GH_OP_RETRIEVE, BOX, "Cother", 0, NULL}, 4106},
    {{GH_OP_CREATE, "cse-in/other", "Cother", GH_TY_CONTAINER, CNT}, 4106},
    {{GH_OP_RETRIEVE, "cse-in", "Sadmin", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, NULL, 0, NULL}, 4000},
    {{GH_OP_RETRIEVE, BOX, "/in-cse/Cmeter", 0, NULL}, 4000},
    {{GH_OP_RETRIEVE, BOX, "/mn1", 0, NULL}, 4000},
    {{GH_OP_RETRIEVE, BOX, "*", 0, NULL}, 4000},
    {{GH_OP_RETRIEVE, "cse-in/other", "Cmeter", 0, NULL}, 4103},
    {{GH_OP_CREATE, "cse-in", "Cmeter", GH_TY_REMOTE_CSE, HALL_CSR("mn3")}, 4005},
    {{GH_OP_CREATE, "cse-in", "Cmeter", GH_TY_AE, HALL_AE("again")}, 4117},
    {{GH_OP_CREATE, "cse-in", "Cother", GH_TY_AE, HALL_AE("again")}, 4106},
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 2000}, /* no refusal has ended the association */
};

static const step steps_of_cse[] = {
    {{GH_OP_RETRIEVE, "cse-in/mn1", "/mn1", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/mn1", "//sp.example.com/mn1", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/mn1", "/mn1/Cbelow", 0, NULL}, 4103}, /* believed, not permitted */
    {{GH_OP_RETRIEVE, "cse-in/mn2", "/mn1", 0, NULL}, 4103},
    {{GH_OP_RETRIEVE, "cse-in/mn1", "/mn2", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, "cse-in/mn1", "/mn2/Cbelow", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "/in-cse/Cmeter", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "/in-cse", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "/mn9", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 4106}, /* a bare stem is an AE of this CSE */
    {{GH_OP_RETRIEVE, BOX, NULL, 0, NULL}, 4000},
    {{GH_OP_CREATE, "cse-in", "/mn1", GH_TY_AE, HALL_AE("cse-as-ae")}, 4005},
    {{GH_OP_CREATE, "cse-in", "/mn1", GH_TY_REMOTE_CSE, HALL_CSR("again")}, 4117},
    {{GH_OP_CREATE, "cse-in", "/mn2", GH_TY_REMOTE_CSE, HALL_CSR("again")}, 4106},
    {{GH_OP_RETRIEVE, "cse-in/mn1", "/mn1", 0, NULL}, 2000},
};

/* Registration first turns it into an AE, on this association and on later ones, until it leaves. */
static const step steps_of_nobody[] = {
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, "cse-in", "Cnew", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, "cse-in", "/mn1", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, NULL, 0, NULL}, 4000},
    {{GH_OP_CREATE, "cse-in/meter", "Cnew", GH_TY_CONTAINER, CNT}, 4106},
    {{GH_OP_CREATE, "cse-in", "/mn3", GH_TY_REMOTE_CSE, HALL_CSR("mn3")}, 4106},
    {{GH_OP_DELETE, "cse-in/meter", "Cmeter", 0, NULL}, 4106},
    {{GH_OP_CREATE, "cse-in", "/mn3/Cnew", GH_TY_AE, HALL_AE("newcomer")}, 4000},
    {{GH_OP_CREATE, "cse-in", "Cmeter", GH_TY_AE, HALL_AE("newcomer")}, 4117},
    {{GH_OP_CREATE, "cse-in", "Cnew", GH_TY_AE, HALL_AE("newcomer")}, 2001},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Cnew", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 4106},
};

static const step steps_of_newcomer[] = {
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Cnew", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Cmeter", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "Cnew", 0, NULL}, 4103},
    {{GH_OP_CREATE, "cse-in", "Cnew", GH_TY_REMOTE_CSE, HALL_CSR("mn3")}, 4005},
    {{GH_OP_DELETE, "cse-in/newcomer", "Cnew", 0, NULL}, 2002},
};

/* The certificate of a node or device has a list of AE-IDs, on one association and on the next. */
static const step steps_of_node[] = {
    {{GH_OP_CREATE, "cse-in", "Csecond", GH_TY_AE, HALL_AE("second")}, 2001},
    {{GH_OP_RETRIEVE, "cse-in/second", "Csecond", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Cnew", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Csecond", 0, NULL}, 4103},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "/mn1", 0, NULL}, 4000},
    {{GH_OP_DELETE, "cse-in/second", "Csecond", 0, NULL}, 2002},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Csecond", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, "cse-in/newcomer", "Cnew", 0, NULL}, 2000},
};

static const step steps_of_key[] = {
    {{GH_OP_CREATE, "cse-in", "Csecond", GH_TY_AE, HALL_AE("second")}, 4106},
};

/* Whom a certificate names may register, under that name, and leave. */
static const step steps_of_new_ae[] = {
    {{GH_OP_RETRIEVE, BOX, "Cfresh", 0, NULL}, 4103},
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 4106},
    {{GH_OP_CREATE, "cse-in", "Cmeter", GH_TY_AE, HALL_AE("fresh")}, 4106},
    {{GH_OP_CREATE, "cse-in", "S", GH_TY_REMOTE_CSE, HALL_CSR("fresh")}, 4000},
    {{GH_OP_CREATE, "cse-in", "C", GH_TY_AE, HALL_AE("fresh")}, 2001},
    {{GH_OP_CREATE, "cse-in", NULL, GH_TY_AE, HALL_AE("fresh2")}, 4117},
    {{GH_OP_RETRIEVE, "cse-in/fresh", "Cfresh", 0, NULL}, 2000},
    {{GH_OP_DELETE, "cse-in/fresh", "Cother", 0, NULL}, 4106},
    {{GH_OP_DELETE, "cse-in/fresh", "Cfresh", 0, NULL}, 2002},
};

static const step steps_of_new_cse[] = {
    {{GH_OP_RETRIEVE, "cse-in", "/mn7", 0, NULL}, 4103},
    {{GH_OP_RETRIEVE, "cse-in", "/mn7/Cbelow", 0, NULL}, 4106}, /* it speaks for itself alone */
    {{GH_OP_CREATE, "cse-in", "/mn1", GH_TY_REMOTE_CSE, HALL_CSR("mn7")}, 4106},
    {{GH_OP_CREATE, "cse-in", NULL, GH_TY_REMOTE_CSE, HALL_CSR("mn7")}, 4000},
    {{GH_OP_CREATE, "cse-in", "/mn7", GH_TY_AE, HALL_AE("mn7")}, 4005},
    {{GH_OP_CREATE, "cse-in", "/mn7", GH_TY_REMOTE_CSE, HALL_CSR("mn7")}, 2001},
    {{GH_OP_RETRIEVE, "cse-in/mn7", "/mn7", 0, NULL}, 2000},
    {{GH_OP_RETRIEVE, "cse-in/mn7", "/mn7/Cbelow", 0, NULL}, 4103}, /* now for what is below it, too */
    {{GH_OP_DELETE, "cse-in/mn7", "/mn1", 0, NULL}, 4106},
    {{GH_OP_DELETE, "cse-in/mn7", "/mn7", 0, NULL}, 2002},
    {{GH_OP_RETRIEVE, "cse-in", "/mn7/Cbelow", 0, NULL}, 4106},
};

/* A MAF has no business at a CSE. */
static const step steps_of_function[] = {
    {{GH_OP_RETRIEVE, "cse-in", "maf.sp.example.com", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, "Cmeter", 0, NULL}, 4106},
    {{GH_OP_RETRIEVE, BOX, NULL, 0, NULL}, 4000},
    {{GH_OP_CREATE, "cse-in", "Cmaf", GH_TY_AE, HALL_AE("maf")}, 4106},
    {{GH_OP_CREATE, "cse-in", "/maf", GH_TY_REMOTE_CSE, HALL_CSR("maf")}, 4106},
};

/* The code of the binding, where it has one, for each that occurs here. */ /*= TS-0009 6.3.2; TS-0008 6.2.4 */
static const struct {
  int rsc, http, coap;
} statuses[] = {{2000, 200, 205}, {2001, 201, 201}, {2002, 200, 202}, {4000, 400, 400},
                {4005, 405, 405}, {4103, 403, 403}, {4106, 403, 403}, {4117, 403, 403}};

static int status_of(int rsc, const channel *over)
{
  if (is_ws(over)) return rsc;
  bool coap = over->binding == COAP_TLS || over->binding == COAP_DTLS;
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].rsc == rsc) return coap ? statuses[i].coap : statuses[i].http;
  fail_msg("no status for %d", rsc);
  return 0;
}

/* ---- the cells */

typedef struct cell {
  const channel *over;
  const flavour *with;
  char name[96];
} cell;

static hall place;
static cell cells[CHANNELS * FLAVOURS];

static tls_peer_options credential_of(const flavour *f)
{
  const holder *const holders[] = {[AE_CERT] = &place.realm.meter,    [CSE_CERT] = &place.cse,
                                   [NEW_AE_CERT] = &place.new_ae,     [NEW_CSE_CERT] = &place.new_cse,
                                   [NODE_CERT] = &place.node,         [DEVICE_CERT] = &place.device,
                                   [NODE_CSE_CERT] = &place.node_cse, [DEVICE_CSE_CERT] = &place.device_cse,
                                   [FQDN_CERT] = &place.maf,          [RAW_AE] = &place.raw_ae,
                                   [RAW_CSE] = &place.raw_cse,        [RAW_NOBODY] = &place.raw_nobody};
  static const unsigned char raw[] = {RAW_TYPE, NO_TYPE};
  if (f->cert == NO_CERT) return (tls_peer_options){.identity = f->identity, .key_hex = GOOD_KEY};
  if (f->cert >= RAW_AE)
    return (tls_peer_options){.key = holders[f->cert]->key, .cert_types = raw, .server_types = raw};
  bool direct = f->cert >= NODE_CERT && f->cert <= DEVICE_CSE_CERT; /* the intermediate is for other kinds of name */
  return (tls_peer_options){.cert = holders[f->cert]->cert,
                            .key = holders[f->cert]->key,
                            .issuer = direct ? NULL : place.realm.middle.cert};
}

static void walk(const cell *c, const step *steps, size_t count)
{
  talker t;
  tls_peer_options as = credential_of(c->with);
  talker_begin(&t, &place, c->over, &as);
  char own[2][16]; /* an AE-ID that one credential had is not another's */
  snprintf(own[0], sizeof own[0], "Cnew%zu", (size_t)(c->with - flavours));
  snprintf(own[1], sizeof own[1], "Csecond%zu", (size_t)(c->with - flavours));
  for (size_t i = 0; i < count; i++) {
    question asked = steps[i].ask;
    const question *q = &asked;
    if (q->from && strcmp(q->from, "Cnew") == 0) asked.from = own[0];
    if (q->from && strcmp(q->from, "Csecond") == 0) asked.from = own[1];
    verdict v = talker_ask(&t, q);
    if (v.rsc != steps[i].rsc || v.status != status_of(steps[i].rsc, c->over))
      fail_msg("step %zu (op %d, %s, from %s): %d with status %d, expected %d", i, q->op, q->to,
               q->from ? q->from : "nobody", v.rsc, v.status, steps[i].rsc);
  }
  talker_end(&t);
}

#define WALK(cell, steps) walk(cell, steps, sizeof(steps) / sizeof *(steps))

/*= TS-0003 8.1.1; 8.1.2.1; 8.2.1; 8.2.2.1; 8.2.2.2; 8.2.2.3; 10.1.3; 10.2.1 */
/*= TS-0003 7.2.1; TS-0004 7.3.2.1 */
static void association(void **state)
{
  const cell *c = *state;
  switch (c->with->entity) {
  case AN_AE: WALK(c, steps_of_ae); break;
  case A_CSE: WALK(c, steps_of_cse); break;
  case NOBODY_YET:
    WALK(c, steps_of_nobody);
    if (c->with->cert == NODE_CERT || c->with->cert == DEVICE_CERT)
      WALK(c, steps_of_node);
    else
      WALK(c, steps_of_key);
    WALK(c, steps_of_newcomer);
    break;
  case A_NEW_AE: WALK(c, steps_of_new_ae); break;
  case A_NEW_CSE: WALK(c, steps_of_new_cse); break;
  case A_FUNCTION: WALK(c, steps_of_function); break;
  }
}

static int setup(void **state)
{
  (void)state;
  hall_open(&place);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  hall_close(&place);
  return 0;
}

int main(void)
{
  struct CMUnitTest tests[CHANNELS * FLAVOURS];
  size_t count = CHANNELS * (gh_raw_public_key_available() ? FLAVOURS : FLAVOURS - RAW_FLAVOURS);
  for (size_t i = 0; i < count; i++) {
    cells[i] = (cell){.over = &channels[i % CHANNELS], .with = &flavours[i / CHANNELS]};
    snprintf(cells[i].name, sizeof cells[i].name, "%s; %s", cells[i].with->what, cells[i].over->what);
    tests[i] = (struct CMUnitTest){.name = cells[i].name, .test_func = association, .initial_state = &cells[i]};
  }
  return _cmocka_run_group_tests("association_matrix", tests, count, setup, teardown);
}
