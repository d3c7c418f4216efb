/** Runs the containers of a task definition as processes, in the order of their dependencies, as ECS does. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

interface Variable {
  Name: string;
  /** A string, or a reference to another resource. */
  Value: unknown;
}
/** The properties of a container definition that this reads. */
export interface ContainerDefinition {
  Name: string;
  EntryPoint?: string[];
  Command?: string[];
  Environment?: Variable[];
  Secrets?: Variable[];
  DependsOn?: { ContainerName: string; Condition: string }[];
  Essential: boolean;
  HealthCheck?: { Command: [string, string]; Timeout?: number };
  StopTimeout?: number;
}

/** What differs between a container on AWS and a process of this machine. */
export interface Machine {
  /** The command of a container's image, for containers without one. */
  imageCommand: Record<string, string[]>;
  /** The value of a reference to another resource. */
  resolve(reference: object): string;
  secrets: Record<string, string>;
  /** Replaces paths and ports in commands and variables. */
  rewrite(text: string): string;
  /** Variables in addition to those of the container, such as PATH. */
  environment: Record<string, string>;
}

const run = promisify(execFile);

/** A task that runs. */
export class LocalTask {
  private readonly processes = new Map<string, ChildProcess>();
  private readonly logs = new Map<string, string>();
  private readonly containers: ContainerDefinition[];
  private readonly machine: Machine;

  constructor(containers: ContainerDefinition[], machine: Machine) {
    this.containers = containers;
    this.machine = machine;
  }

  /** Starts all containers. @throws Error with a container's log when it does not come to the state that another one waits for */
  async start(): Promise<void> {
    for (const container of this.containers) {
      // A definition lists containers after those that they depend on.
      for (const { ContainerName, Condition } of container.DependsOn ?? []) await this.reach(ContainerName, Condition);
      this.launch(container);
    }
    for (const { Name, HealthCheck } of this.containers) if (HealthCheck) await this.reach(Name, 'HEALTHY');
  }

  /** Output of a container. */
  log = (name: string): string => this.logs.get(name) ?? '';

  /** Waits for a container to end by itself. @returns its exit code */
  async endOf(name: string): Promise<number | null> {
    const process = this.processes.get(name)!;
    if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
    return process.exitCode;
  }

  /** Stops all containers in reverse order. @throws Error when one does not stop within its timeout, 30 seconds by default */
  async stop(): Promise<void> {
    for (const { Name, StopTimeout = 30 } of this.containers.toReversed()) {
      const process = this.processes.get(Name);
      if (!process || process.exitCode !== null || process.signalCode !== null) continue;
      const exited = once(process, 'exit').then(() => true);
      process.kill('SIGTERM');
      if (await Promise.race([exited, sleep(StopTimeout * 1000, false, { ref: false })])) continue;
      process.kill('SIGKILL');
      await exited;
      throw new Error(`${Name} has not stopped in ${StopTimeout} s:\n${this.log(Name)}`);
    }
  }

  private launch({
    Name,
    EntryPoint = [],
    Command = this.machine.imageCommand[Name],
    ...container
  }: ContainerDefinition) {
    const { environment, secrets, rewrite } = this.machine;
    const variables = (container.Environment ?? []).map(({ Name: name, Value }) => [name, this.value(Value)]);
    const hidden = (container.Secrets ?? []).map(({ Name: name }) => [name, secrets[name]]);
    const [program, ...args] = [...EntryPoint, ...Command!].map(rewrite);
    const process = spawn(program, args, {
      env: { ...(Object.fromEntries([...variables, ...hidden]) as Record<string, string>), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    process.on('error', (error) => this.logs.set(Name, error.message));
    for (const stream of [process.stdout, process.stderr])
      stream.on('data', (text) => this.logs.set(Name, `${this.log(Name)}${text}`));
    this.processes.set(Name, process);
  }

  private value(value: unknown): string {
    return this.machine.rewrite(typeof value === 'string' ? value : this.machine.resolve(value as object));
  }

  private async reach(name: string, condition: string): Promise<void> {
    const process = this.processes.get(name)!;
    const unmet = (reason: string) => new Error(`${name} ${reason}:\n${this.log(name).slice(-4000)}`);
    if (condition === 'SUCCESS') {
      const code = await this.endOf(name);
      if (code !== 0) throw unmet(`ended with ${code}`);
      return;
    }
    const { Command, Timeout = 5 } = this.containers.find(({ Name }) => Name === name)!.HealthCheck!;
    const health = ['-c', this.machine.rewrite(Command[1])];
    const options = { env: this.machine.environment, timeout: Timeout * 1000 };
    const healthy = () =>
      run('sh', health, options).then(
        () => true,
        () => false,
      );
    // Not synchronously: a container stops when nobody reads its output.
    while (!(await healthy())) {
      if (process.exitCode !== null || process.signalCode !== null) throw unmet(`ended with ${process.exitCode}`);
      await sleep(250);
    }
  }
}
