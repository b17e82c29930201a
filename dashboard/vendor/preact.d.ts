export declare const Fragment: unknown;
export declare function h(type: unknown, props: unknown, ...children: unknown[]): unknown;
export declare function render(node: unknown, parent: Element): void;
