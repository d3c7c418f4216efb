/** OpenTelemetry: one trace per run with its rounds and their activities, if OTEL_EXPORTER_OTLP_ENDPOINT is set. */
import { createRequire } from 'node:module';
import { checkHeader, readAddress } from '../../data/secret.ts';
import type { InjectedSinks, WorkerOptions } from '@temporalio/worker';

export interface Tracing {
  /** Options for workers. */
  options: Pick<WorkerOptions, 'interceptors' | 'sinks'>;
  /** Exports the remaining spans. */
  close(): Promise<void>;
}

/** Whether spans are exported. */
export const isTraced = (): boolean => Boolean(process.env['OTEL_EXPORTER_OTLP_ENDPOINT']);

/** Interceptor modules that workflows are bundled with when spans are exported. */
const tracingModules = [
  createRequire(import.meta.url).resolve('@temporalio/interceptors-opentelemetry/lib/workflow-interceptors'),
];

/**
 * Starts exporting spans, if an endpoint is set.
 * @param role the service name if OTEL_SERVICE_NAME is not set
 * @throws InputError for an endpoint that contains a password, which the exporter would not send, and for malformed headers
 */
export async function startTracing(role: string): Promise<Tracing | undefined> {
  if (!isTraced()) return undefined;
  for (const signal of ['', 'TRACES_']) {
    readAddress(`OTEL_EXPORTER_OTLP_${signal}ENDPOINT`);
    const headers = `OTEL_EXPORTER_OTLP_${signal}HEADERS`;
    checkHeader(headers, process.env[headers]);
  }
  // Loaded on demand.
  const [sdk, exporter, resources, contexts, temporal] = await Promise.all([
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/context-async-hooks'),
    import('@temporalio/interceptors-opentelemetry'),
  ]);
  const given = resources.detectResourcesSync({ detectors: [resources.envDetector] });
  const resource = new resources.Resource({ 'service.name': `selm-${role}` }).merge(given);
  const processor = new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter());
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors: [processor] });
  // Required so that an activity's span becomes a child of the span in its headers and does not start a new trace.
  provider.register({ contextManager: new contexts.AsyncLocalStorageContextManager().enable() });
  return {
    options: {
      sinks: {
        exporter: temporal.makeWorkflowExporter(processor, resource as never),
      } as unknown as InjectedSinks<never>,
      interceptors: {
        activity: [
          (context) => ({
            inbound: new temporal.OpenTelemetryActivityInboundInterceptor(context),
            outbound: new temporal.OpenTelemetryActivityOutboundInterceptor(context),
          }),
        ],
        workflowModules: tracingModules,
      },
    },
    close: () => provider.shutdown(),
  };
}
