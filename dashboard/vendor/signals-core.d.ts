export interface Signal<T> { value: T; peek(): T; subscribe(listener: (value: T) => void): () => void }
