/* The small world of the benchmark: a CA, certificates of the CSE and of one AE, a pre-shared key, and the AE's
 * resources. */
#include "server.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>

#include "m2m/constants.h"
#include "m2m/json.h"

/* ---- credentials */

typedef struct authority {
  X509 *cert;
  EVP_PKEY *key;
} authority;

static gh_err write_file(const server *s, const char *name, gh_str text)
{
  char path[512];
  snprintf(path, sizeof path, "%s/%s", s->dir, name);
  mode_t before = umask(077);
  FILE *file = fopen(path, "wb");
  umask(before);
  GH_REQUIRE(file, GH_EIO);
  size_t written = fwrite(text.ptr, 1, text.len, file);
  return fclose(file) == 0 && written == text.len ? GH_OK : GH_EIO;
}

static gh_err issue(const server *s, gh_cert_flavour flavour, gh_str name, EVP_PKEY *key, const authority *ca,
                    X509 **out, gh_diag *diag)
{
  int64_t now = gh_clock_wall_us(&s->clock);
  gh_cert_request request = {.flavour = flavour,
                             .name = name,
                             .not_before_us = now - 3600 * GH_US_PER_S,
                             .not_after_us = now + 86400 * GH_US_PER_S};
  return gh_cert_issue(&request, key, ca ? ca->cert : NULL, ca ? ca->key : NULL, out, diag);
}

/* A key and its certificate as NAME.pem and NAME.key, and as text. */
static gh_err equip(const server *s, const authority *ca, gh_cert_flavour flavour, gh_str name, const char *file,
                    gh_arena *arena, gh_str *cert_pem, gh_str *key_pem, gh_diag *diag)
{
  EVP_PKEY *key = NULL;
  X509 *cert = NULL;
  gh_buf cert_text = GH_BUF_INIT, key_text = GH_BUF_INIT;
  char file_name[64];
  gh_err err = gh_cert_new_key(&key);
  if (err == GH_OK) err = issue(s, flavour, name, key, ca, &cert, diag);
  if (err == GH_OK) err = gh_cert_to_pem(cert, &cert_text);
  if (err == GH_OK) err = gh_key_to_pem(key, &key_text);
  snprintf(file_name, sizeof file_name, "%s.pem", file);
  if (err == GH_OK) err = write_file(s, file_name, gh_buf_str(&cert_text));
  snprintf(file_name, sizeof file_name, "%s.key", file);
  if (err == GH_OK) err = write_file(s, file_name, gh_buf_str(&key_text));
  *cert_pem = gh_arena_dup(arena, gh_buf_str(&cert_text));
  *key_pem = gh_arena_dup(arena, gh_buf_str(&key_text));
  gh_buf_free(&cert_text);
  gh_buf_wipe_free(&key_text);
  X509_free(cert);
  EVP_PKEY_free(key);
  return err;
}

gh_err world_credentials(server *s, gh_arena *arena, gh_tls_options *tls, gh_diag *diag)
{
  authority ca = {NULL, NULL};
  gh_buf anchor = GH_BUF_INIT;
  gh_str ignored_cert, ignored_key;
  *tls = (gh_tls_options){.policy = s->policy, .tls13 = true, .require_ems = true, .alpn = GH_HTTP_ALPN};
  gh_err err = gh_cert_new_key(&ca.key);
  if (err == GH_OK) err = issue(s, GH_CERT_CA, GH_STR("bench CA"), ca.key, NULL, &ca.cert, diag);
  if (err == GH_OK) err = gh_cert_to_pem(ca.cert, &anchor);
  if (err == GH_OK) err = write_file(s, "ca.pem", gh_buf_str(&anchor));
  if (err == GH_OK)
    err = equip(s, &ca, GH_CERT_CSE_ID, GH_STR(BENCH_FQDN), "server", arena, &tls->chain_pem, &tls->key_pem, diag);
  if (err == GH_OK)
    err = equip(s, &ca, GH_CERT_AE_ID, GH_STR(BENCH_AE_ID), "ae", arena, &ignored_cert, &ignored_key, diag);
  tls->anchors_pem = gh_arena_dup(arena, gh_buf_str(&anchor));
  gh_buf_free(&anchor);
  X509_free(ca.cert);
  EVP_PKEY_free(ca.key);
  return err;
}

typedef struct put_key {
  gh_store_job job;
  server *s;
  gh_err err;
  uv_sem_t done;
} put_key;

static gh_err run_put_key(gh_store_job *job, gh_store_txn *txn)
{
  const put_key *p = (put_key *)job;
  gh_key_record record = {.kind = GH_KEY_KPSA,
                          .id = GH_STR(BENCH_KEY_ID),
                          .suid = 32,
                          .owner = GH_STR(BENCH_AE_ID),
                          .credential_id = GH_STR("12-" BENCH_KEY_ID)};
  uint8_t octets[32];
  memset(octets, 0x5a, sizeof octets);
  GH_TRY(gh_secret_set(&record.key, octets, sizeof octets));
  return gh_keyring_put(p->s->host, txn, &record);
}

static void put_key_done(gh_store_job *job, gh_err err)
{
  put_key *p = (put_key *)job;
  p->err = err;
  uv_sem_post(&p->done);
}

gh_err world_key(server *s, gh_diag *diag)
{
  put_key p = {.job = {.run = run_put_key, .done = put_key_done}, .s = s};
  uv_sem_init(&p.done, 0);
  gh_err err = gh_store_submit(s->host->store, &p.job);
  if (err == GH_OK) {
    uv_sem_wait(&p.done);
    err = p.err;
  }
  uv_sem_destroy(&p.done);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the pre-shared key could not be stored");
}

/* ---- resources, through the gate as a binding would */

typedef struct creation {
  gh_exchange x;
  uv_sem_t answered;
  int rsc;
} creation;

static void creation_done(gh_exchange *x)
{
  creation *c = x->owner;
  c->rsc = x->response.rsc;
  gh_exchange_clear(x);
  uv_sem_post(&c->answered);
}

static void submit(void *arg)
{
  creation *c = arg;
  gh_gate_submit(&c->x);
}

static gh_err create(server *s, const char *to, uint32_t ty, const char *content, gh_diag *diag)
{
  creation c = {.rsc = 0};
  gh_exchange *x = &c.x;
  uv_sem_init(&c.answered, 0);
  gh_arena_init(&x->arena);
  x->host = s->host;
  x->worker = s->workers[0];
  x->owner = &c;
  x->done = creation_done;
  x->received_us = gh_host_now_us(s->host);
  /* registered without a credential, so that it may also come in clear text */
  x->peer = (gh_peer){.kind = GH_PEER_AE, .method = GH_METHOD_PSK, .id = GH_STR(BENCH_AE_ID)};
  x->request = (gh_request){.op = GH_OP_CREATE,
                            .to = gh_str_of(to),
                            .from = GH_STR(BENCH_AE_STEM),
                            .has_from = true,
                            .rqi = GH_STR("r1"),
                            .rvi = GH_STR("3"),
                            .ty = ty,
                            .has_ty = true,
                            .rcn = GH_RCN_ABSENT,
                            .rt = 3,
                            .drt = 1};
  GH_TRY(gh_json_parse(&x->arena, gh_str_of(content), &gh_json_default_limits, &x->request.pc, diag));
  gh_loop_call(s->loops[0], submit, &c);
  uv_sem_wait(&c.answered);
  uv_sem_destroy(&c.answered);
  return c.rsc == GH_RSC_CREATED ? GH_OK : gh_fail(diag, GH_EPROTO, "%s was answered %d", content, c.rsc);
}

gh_err world_resources(server *s, gh_diag *diag)
{
  GH_TRY(create(s, "cse-in", GH_TY_AE,
                "{\"m2m:ae\":{\"rn\":\"bench\",\"api\":\"N.bench\",\"rr\":false,\"srv\":[\"3\"]}}", diag));
  GH_TRY(create(s, "cse-in/bench", GH_TY_ACCESS_CONTROL_POLICY,
                "{\"m2m:acp\":{\"rn\":\"p\",\"pv\":{\"acr\":[{\"acor\":[\"" BENCH_AE_STEM "\"],\"acop\":63}]},"
                "\"pvs\":{\"acr\":[{\"acor\":[\"" BENCH_AE_STEM "\"],\"acop\":63}]}}}",
                diag));
  return create(s, "cse-in/bench", GH_TY_CONTAINER,
                "{\"m2m:cnt\":{\"rn\":\"c\",\"acpi\":[\"cse-in/bench/p\"],\"lbl\":[\"bench\"]}}", diag);
}
