/** A mistake that somebody could make, as a change of one text in one source file. Each has to be noticed by some seed. */
export interface PlantedBug {
  readonly name: string
  /** Below packages/tidemark/src. */
  readonly file: string
  /** Occurs exactly once. */
  readonly text: string
  readonly replacement: string
  /** Jobs to try; all by default. */
  readonly jobs?: readonly string[]
}

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'the barrier leaves after the next records instead of with the snapshot',
    file: 'runtime/task/task.ts',
    text: '    this.chain.broadcast(barrier)\n',
    replacement:
      '    clock.schedule(3, () => (this.phaseNow === "closed" ? undefined : this.chain.broadcast(barrier)))\n',
  },
  {
    name: 'a checkpoint is acknowledged before its pre-commit',
    file: 'runtime/task/snapshot-writer.ts',
    text: "if (this.state === 'flushed' && this.committables !== null) this.finish()",
    replacement: "if (this.state === 'flushed') { this.committables ??= this.parts.map(() => []); this.finish() }",
  },
  {
    name: 'the manifest is not renamed but written in place',
    file: 'runtime/checkpoint/file-checkpoint-storage.ts',
    text: 'const partial = `${file}.${writing}.partial`',
    replacement: "const partial = writing === '' ? '' : file",
  },
  {
    name: 'the manifest is not synced',
    file: 'runtime/storage/durable-files.ts',
    text: '    await writer.write(bytes)\n    await writer.sync()\n',
    replacement: '    await writer.write(bytes)\n',
  },
  {
    name: 'the directory is not synced after the rename of the manifest',
    file: 'runtime/checkpoint/file-checkpoint-storage.ts',
    text: '    try {\n      await this.#files.syncDirectory(posix.dirname(file))\n    } catch (error) {\n      // Reading again',
    replacement: '    try {\n      await Promise.resolve()\n    } catch (error) {\n      // Reading again',
  },
  {
    name: 'state files are not synced',
    file: 'runtime/checkpoint/state-file.ts',
    text: 'await this.#writer.sync()',
    replacement: 'await Promise.resolve()',
    jobs: ['large-state'],
  },
  {
    name: 'output files are not synced before they are pre-committed',
    file: 'connectors/files/file-writer.ts',
    text: 'await part.file.sync()',
    replacement: 'await Promise.resolve()',
  },
  {
    name: 'the directory of pending output files is not synced',
    file: 'connectors/files/file-writer.ts',
    text: 'await this.guarded(this.context.files.syncDirectory(this.directory.pending))',
    replacement: 'await Promise.resolve()',
  },
  {
    name: 'the directory is not synced after output files got their names',
    file: 'connectors/files/file-committer.ts',
    text: '      await this.context.files.syncDirectory(this.directory.path)\n    } catch (error) {\n      return results',
    replacement: '      await Promise.resolve()\n    } catch (error) {\n      return results',
  },
  {
    name: 'an alignment is over one channel too early',
    file: 'runtime/input/barrier-buffer.ts',
    text: 'if (this.pending === null || this.aligned + this.ended !== this.isBlocked.length) return',
    replacement: 'if (this.pending === null || this.aligned + this.ended + 1 < this.isBlocked.length) return',
  },
  {
    name: 'one channel stays blocked after an alignment',
    file: 'runtime/input/barrier-buffer.ts',
    text: '    for (let channel = 0; channel < this.isBlocked.length; channel++) {\n      if (!this.isBlocked[channel]) continue',
    replacement:
      '    for (let channel = 0; channel < this.isBlocked.length - 1; channel++) {\n      if (!this.isBlocked[channel]) continue',
  },
  {
    name: 'transactions that are committed already are committed again',
    file: 'runtime/sink/sink-committers.ts',
    text: 'this.pending = this.pending.filter((committable) => !confirmed.has(committable))',
    replacement: 'this.pending = confirmed.size < mine.length ? this.pending : []',
  },
  {
    name: 'sinks commit before the manifest is durable',
    file: 'runtime/job/attempt.ts',
    text: '      complete = await storage.complete(manifest)\n',
    replacement:
      '      await committers.commit(checkpoint, manifest.committables)\n      complete = await storage.complete(manifest)\n',
  },
  {
    name: 'recovery aborts before it commits',
    file: 'runtime/sink/sink-committers.ts',
    text: '    await this.commitPending()\n    await this.abortOthers()\n',
    replacement:
      '    for (const committer of this.committers.values()) await committer.abortOthers()\n    await this.commitPending()\n',
  },
  {
    name: 'recovery leaves foreign transactions open',
    file: 'runtime/sink/sink-committers.ts',
    text: '    await this.commitPending()\n    await this.abortOthers()\n',
    replacement: '    await this.commitPending()\n',
  },
  {
    name: 'the transactions of an aborted checkpoint are dropped',
    file: 'runtime/operator/sink.ts',
    text: 'committables: allPrepared([...this.prepared.values()])',
    replacement: 'committables: this.prepared.get(checkpoint)!',
  },
  {
    name: 'enumerators are snapshotted when the checkpoint is written, not when it is triggered',
    file: 'runtime/job/attempt.ts',
    text: 'enumerators: this.enumeratorSnapshots.get(checkpoint)!,',
    replacement: 'enumerators: this.enumerators.snapshot(checkpoint),',
  },
  {
    name: 'the position of an array is one too far',
    file: 'connectors/iterable-reader.ts',
    text: 'return [{ ...split, hasStarted: true, position: this.emitted }]',
    replacement: 'return [{ ...split, hasStarted: true, position: this.emitted + 1 }]',
    jobs: ['files'],
  },
  {
    name: 'the restored state of broadcast maps is ignored',
    file: 'runtime/operator/process.ts',
    text: 'new BroadcastState(name, context.restoredList(name),',
    replacement: 'new BroadcastState(name, [],',
    jobs: ['broadcast-rules'],
  },
  {
    name: 'restored keyed state is ignored where a task has several snapshots',
    file: 'runtime/task/open-task.ts',
    text: 'for (const snapshot of share.keyed) {',
    replacement: 'for (const snapshot of share.keyed.slice(0, 1)) {',
  },
  {
    name: 'a released task does not tell the end of its partition',
    file: 'runtime/task/task.ts',
    text: '        this.chain.broadcast(END_OF_PARTITION)\n        this.isEnding = true',
    replacement: '        this.isEnding = true',
  },
  {
    name: 'the next attempt does not wait for the tasks of the last one',
    file: 'runtime/job/attempt.ts',
    text: '    if (this.isSettled || this.living.size > 0 || this.underway.size > 0) return\n',
    replacement: '    if (this.isSettled || (this.living.size > 0 && !this.isStopping)) return\n',
  },
  {
    name: 'commits of a checkpoint may come before those of the last one are confirmed',
    file: 'runtime/sink/sink-committers.ts',
    text: 'const result = this.queue.then(action)',
    replacement: 'const result = Promise.resolve().then(action)',
  },
  {
    name: 'a file sink leaves what was never committed',
    file: 'connectors/files/file-committer.ts',
    text: '    for (const name of names) await files.remove(`${pending}/${name}`)\n',
    replacement: '',
  },
  {
    name: 'a snapshot of keyed state holds what is changed after the barrier',
    file: 'runtime/state/heap-keyed-state-backend.ts',
    text: 'for (const snapshot of this.unfixed) snapshot.preserve(page)',
    replacement: '',
    jobs: ['large-state'],
  },
  {
    name: 'the end of one channel counts as the end of the input',
    file: 'runtime/task/channel-task-input.ts',
    text: 'if (--this.openChannels[input]! > 0) return WORKED',
    replacement: 'if (--this.openChannels[input]! > 1) return WORKED',
  },
  {
    name: 'a job that is stopped while commits wait counts as finished',
    file: 'runtime/job/job-session.ts',
    text: "if (end.kind === 'finished' && !this.committers.hasPending) {",
    replacement: "if (end.kind === 'finished' || this.wish === 'stop') {",
  },
  {
    name: 'a released task goes without emptying its channels',
    file: 'runtime/task/task.ts',
    text: '      if (!this.input!.isExhausted) return progress.kind !== ',
    replacement: '      if (this.operators.length === 0 && !this.input!.isExhausted) return progress.kind !== ',
  },
  {
    name: 'at least once, a task stays finished though one that sends to it runs again',
    file: 'runtime/job/deal-out.ts',
    text: 'restore.isFinished && upstream.every((before) => corrected.get(before)?.isFinished === true)',
    replacement: 'restore.isFinished && upstream.length >= 0',
    jobs: ['diamond', 'two-sinks'],
  },
  {
    name: 'files of an old attempt are written while the next one runs',
    file: 'runtime/task/task.ts',
    text: '    await this.snapshots.released()\n',
    replacement: '',
  },
  {
    name: 'outputs that are full are ignored by a flatMap',
    file: 'runtime/operator/chain.ts',
    text: '      if (this.isBlocked && node.hasWork && node.hasOutputs) return false\n',
    replacement: '',
    jobs: ['explode'],
  },
  {
    name: 'a start does not verify the content of its checkpoint',
    file: 'runtime/job/start-job.ts',
    text: '    await storage.verify(restore)\n',
    replacement: '',
  },
  {
    name: 'the transactions of dead letters of a source are not in the checkpoint',
    file: 'runtime/task/task.ts',
    text: 'operator.snapshot?.(checkpoint) ?? {}',
    replacement: "(id.endsWith('.dead-letters') ? undefined : operator.snapshot?.(checkpoint)) ?? {}",
    jobs: ['bad-records'],
  },
  {
    name: 'the last record or dead letter of a source before a checkpoint comes again after a restore',
    file: 'runtime/task/open-task.ts',
    text: 'reader.addSplits(splits as Split[])',
    replacement:
      'reader.addSplits((splits as { next: number }[]).map((split) => ({ ...split, next: Math.max(0, split.next - 1) })) as never)',
    jobs: ['bad-records'],
  },
  {
    name: 'dead letters of a source are only counted after a restore',
    file: 'runtime/task/open-task.ts',
    text: 'deadLetters: deadLetters ?? null,',
    replacement: 'deadLetters: this.deployment.restore === null ? (deadLetters ?? null) : null,',
    jobs: ['bad-records'],
  },
]
