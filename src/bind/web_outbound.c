/* Owns the use of libcurl. Must never follow where an answer points to. */
#include "bind/web_outbound.h"

#include <curl/curl.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

typedef struct answer {
  gh_buf *out;
  size_t max;
  bool too_long;
} answer;

static size_t on_body(char *octets, size_t size, size_t count, void *ctx)
{
  answer *a = ctx;
  size_t len = size * count;
  if (a->out->len + len > a->max) {
    a->too_long = true;
    return 0;
  }
  gh_buf_add_bytes(a->out, octets, len);
  return len;
}

static struct curl_slist *set_up(CURL *curl, const gh_web_request *request, answer *a)
{
  char line[128];
  struct curl_slist *fields = NULL;
  curl_easy_setopt(curl, CURLOPT_URL, request->url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
  if (!request->body.len) return NULL;
  snprintf(line, sizeof line, "Content-Type: %s", request->content_type);
  fields = curl_slist_append(fields, line);
  fields = curl_slist_append(fields, "Expect:");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.ptr);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
  return fields;
}

static gh_err result_of(CURL *curl, CURLcode code, const answer *a, const char *url, gh_diag *diag)
{
  long status = 0;
  if (a->too_long) return gh_fail(diag, GH_ELIMIT, "%s: the answer is longer than %zu octets", url, a->max);
  if (code == CURLE_OPERATION_TIMEDOUT) return gh_fail(diag, GH_ETIMEOUT, "%s: no answer in time", url);
  if (code != CURLE_OK) return gh_fail(diag, GH_ECONN, "%s: %s", url, curl_easy_strerror(code));
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return gh_fail(diag, GH_EPROTO, "%s: answered %ld", url, status);
  return GH_OK;
}

static gh_err exchange(void *ctx, const gh_web_request *request, gh_buf *out, gh_diag *diag)
{
  (void)ctx;
  pthread_once(&once, begin);
  CURL *curl = curl_easy_init();
  if (!curl) return gh_fail(diag, GH_EINTERNAL, "no HTTP client");
  gh_buf_clear(out);
  answer a = {.out = out, .max = request->max_bytes};
  struct curl_slist *fields = set_up(curl, request, &a);
  gh_err err = result_of(curl, curl_easy_perform(curl), &a, request->url, diag);
  curl_slist_free_all(fields);
  curl_easy_cleanup(curl);
  return err;
}

gh_web gh_web_outbound(void)
{
  return (gh_web){.exchange = exchange};
}
