/* One question to each source, as the device would ask it. */
#include "client/device_sources.h"

#include "client/device_private.h"
#include "crypto/certs.h"
#include "crypto/crl_file.h"

enum { LIST_MAX_BYTES = 8 << 20, ANSWER_MAX_BYTES = 65536, URL_BYTES = 2048 };

gh_err gh_device_try_file(gh_str path, int64_t *until_us, gh_diag *diag)
{
  char text[GH_DEVICE_PATH_BYTES];
  gh_crl_set *lists = NULL;
  if (!gh_str_to_cstr(path, text, sizeof text)) return gh_fail(diag, GH_ELIMIT, "the path is too long");
  GH_TRY(gh_crl_file_read(text, &lists, diag));
  *until_us = gh_crl_set_next_update_us(lists);
  gh_crl_set_free(lists);
  return GH_OK;
}

/* On a thread, as always: a resolver that is silent does not hold us up. */
static gh_err exchange(gh_device *device, gh_str url, gh_web_request *request, gh_buf *out, gh_diag *diag)
{
  char text[URL_BYTES];
  if (!gh_str_to_cstr(url, text, sizeof text)) return gh_fail(diag, GH_ELIMIT, "the URL is too long");
  request->url = text;
  request->timeout_ms = gh_device_status_ms(device);
  gh_web_fetch *fetch = gh_web_fetch_begin(device->status.web, request);
  if (!fetch) return gh_fail(diag, GH_EINTERNAL, "cannot start a thread");
  if (gh_web_fetch_done(fetch, request->timeout_ms + 500)) return gh_web_fetch_take(fetch, out, diag);
  gh_web_fetch_leave(fetch);
  return gh_fail(diag, GH_ETIMEOUT, "%s: no answer in time", text);
}

gh_err gh_device_try_lists(gh_device *device, gh_str url, int64_t *until_us, gh_diag *diag)
{
  gh_buf octets = GH_BUF_INIT;
  gh_crl_set *lists = NULL;
  gh_web_request request = {.max_bytes = LIST_MAX_BYTES};
  gh_err err = exchange(device, url, &request, &octets, diag);
  if (err == GH_OK) err = gh_crl_set_read(gh_buf_str(&octets), &lists, diag);
  if (err == GH_OK) *until_us = gh_crl_set_next_update_us(lists);
  gh_crl_set_free(lists);
  gh_buf_free(&octets);
  return err;
}

/* The device's own, or else an anchor, which speaks for itself. */
static gh_err subject(gh_device *device, X509 **cert, X509 **issuer, bool *own, gh_diag *diag)
{
  gh_device_certificate c = {.key_pem = GH_STR_NONE};
  gh_arena secret;
  gh_arena_init(&secret);
  *cert = *issuer = NULL;
  gh_err err = gh_device_use_certificate(device, &secret, &c);
  if (err == GH_OK) err = gh_cert_from_pem(c.chain_pem, cert);
  if (err == GH_OK) *issuer = gh_cert_issuer_in(c.chain_pem, *cert);
  if (err == GH_OK && !*issuer) *issuer = gh_cert_issuer_in(c.anchors_pem, *cert);
  *own = *issuer != NULL;
  if (err == GH_OK && !*own) {
    X509_free(*cert);
    *cert = NULL;
    err = gh_cert_from_pem(c.anchors_pem, cert);
    if (err == GH_OK && X509_up_ref(*cert)) *issuer = *cert;
  }
  gh_wipe((void *)(uintptr_t)c.key_pem.ptr, c.key_pem.len);
  gh_arena_free(&secret);
  return err == GH_OK ? GH_OK : gh_fail(diag, err, "the certificate of the device cannot be used");
}

static gh_err ask(gh_device *device, gh_str url, X509 *cert, X509 *issuer, gh_cert_state *said, gh_diag *diag)
{
  gh_buf question = GH_BUF_INIT, answer = GH_BUF_INIT;
  int64_t until_us;
  gh_err err = gh_ocsp_request(cert, issuer, &question);
  gh_web_request request = {
      .body = gh_buf_str(&question), .content_type = "application/ocsp-request", .max_bytes = ANSWER_MAX_BYTES};
  if (err == GH_OK) err = exchange(device, url, &request, &answer, diag);
  if (err == GH_OK) {
    *said = gh_ocsp_check(gh_buf_str(&answer), cert, issuer, gh_clock_wall_us(&device->clock), &until_us);
    if (*said == GH_CERT_UNKNOWN) err = gh_fail(diag, GH_EAUTH, "answers, but nothing that counts here");
  }
  gh_buf_free(&question);
  gh_buf_free(&answer);
  return err;
}

gh_err gh_device_try_responder(gh_device *device, gh_str url, gh_cert_state *said, bool *own, gh_diag *diag)
{
  X509 *cert = NULL, *issuer = NULL;
  *said = GH_CERT_UNKNOWN;
  gh_err err = subject(device, &cert, &issuer, own, diag);
  if (err == GH_OK) err = ask(device, url, cert, issuer, said, diag);
  X509_free(cert);
  X509_free(issuer);
  return err;
}
