/* The jobs of OpenSSL (ASYNC_start_job, ASYNC_pause_job), once more, for builds with ThreadSanitizer only: libcrypto
 * changes stacks with setjmp and longjmp, which ThreadSanitizer takes for one stack gone wrong. These here change
 * stacks with swapcontext and tell it so. libssl finds them before those of libcrypto. Nothing else may be built with
 * them. */
#include <openssl/async.h>
#include <sanitizer/tsan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { STACK_BYTES = 512 * 1024 }; /* libcrypto gives 32 KiB; instrumented frames are larger */

struct async_job_st {
  ucontext_t own, caller;
  void *own_fibre, *caller_fibre;
  void *stack, *args;
  int (*func)(void *);
  ASYNC_WAIT_CTX *wait;
  int ret, finished;
};

static __thread ASYNC_JOB *current;

static void job_main(unsigned high, unsigned low)
{
  ASYNC_JOB *job = (ASYNC_JOB *)(((uintptr_t)high << 32) | low);
  job->ret = job->func(job->args);
  job->finished = 1;
  __tsan_switch_to_fiber(job->caller_fibre, 0);
  setcontext(&job->caller);
}

static ASYNC_JOB *job_new(ASYNC_WAIT_CTX *wait, int (*func)(void *), const void *args, size_t size)
{
  ASYNC_JOB *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  job->stack = malloc(STACK_BYTES);
  job->args = size ? malloc(size) : NULL;
  if (!job->stack || (size && !job->args) || getcontext(&job->own) != 0) abort(); /* a tool may */
  if (size) memcpy(job->args, args, size);
  job->func = func;
  job->wait = wait;
  job->own_fibre = __tsan_create_fiber(0);
  job->own.uc_stack.ss_sp = job->stack;
  job->own.uc_stack.ss_size = STACK_BYTES;
  job->own.uc_link = NULL;
  uintptr_t number = (uintptr_t)job;
  makecontext(&job->own, (void (*)(void))(void *)job_main, 2, (unsigned)(number >> 32), (unsigned)number);
  return job;
}

static void job_free(ASYNC_JOB *job)
{
  __tsan_destroy_fiber(job->own_fibre);
  free(job->stack);
  free(job->args);
  free(job);
}

int ASYNC_start_job(ASYNC_JOB **job, ASYNC_WAIT_CTX *ctx, int *ret, int (*func)(void *), void *args, size_t size)
{
  ASYNC_JOB *j = *job ? *job : job_new(ctx, func, args, size);
  if (!j) return ASYNC_NO_JOBS;
  *job = j;
  ASYNC_JOB *before = current;
  current = j;
  j->caller_fibre = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(j->own_fibre, 0);
  swapcontext(&j->caller, &j->own);
  current = before;
  if (!j->finished) return ASYNC_PAUSE;
  *ret = j->ret;
  *job = NULL;
  job_free(j);
  return ASYNC_FINISH;
}

int ASYNC_pause_job(void)
{
  ASYNC_JOB *job = current;
  if (!job) return 1;
  __tsan_switch_to_fiber(job->caller_fibre, 0);
  swapcontext(&job->own, &job->caller);
  return 1;
}

ASYNC_JOB *ASYNC_get_current_job(void)
{
  return current;
}

ASYNC_WAIT_CTX *ASYNC_get_wait_ctx(ASYNC_JOB *job)
{
  return job->wait;
}
