/** The words of the page: names of pages, what a page is for, and what to do when it is empty. */

/** @type {Record<string, {title: string, about: string, key?: string}>} */
export const PAGES = {
  overview: { title: "Overview", about: "The whole cluster at a glance", key: "o" },
  actors: { title: "Actors", about: "Everything that runs", key: "a" },
  agents: { title: "Agents", about: "Actors with a role and a goal", key: "g" },
  classes: { title: "Classes", about: "What can be spawned and called", key: "c" },
  queues: { title: "Queues", about: "Records in buckets, and who reads them", key: "q" },
  topics: { title: "Topics", about: "Messages to everyone who subscribed", key: "t" },
  "dead-letters": { title: "Dead letters", about: "Messages that reached nobody", key: "d" },
  nodes: { title: "Nodes", about: "Processes of this cluster", key: "n" },
  cluster: { title: "Cluster", about: "Members, names and who suspects whom", key: "m" },
  links: { title: "Links", about: "Connections between nodes", key: "l" },
  problems: { title: "Problems", about: "What is failing, stuck, slow or lost", key: "w" },
  events: { title: "Events", about: "What happened just now", key: "e" },
  health: { title: "Health", about: "Checks and their thresholds", key: "h" },
  metrics: { title: "Metrics", about: "Every family that Prometheus can scrape", key: "r" },
  audit: { title: "Audit", about: "Who did what", key: "u" },
  config: { title: "Configuration", about: "Values and where they come from", key: "f" },
  api: { title: "API", about: "Every route, ready to copy", key: "p" },
  about: { title: "About", about: "Versions, licences and addresses", key: "b" },
};

export const NAVIGATION = [
  ["", ["overview"]],
  ["Compute", ["actors", "agents", "classes"]],
  ["Data", ["queues", "topics", "dead-letters"]],
  ["Cluster", ["nodes", "cluster", "links"]],
  ["Observe", ["problems", "events", "health", "metrics"]],
  ["Admin", ["audit", "config", "api", "about"]],
];

/** What an empty list says, and the code that would fill it. @type {Record<string, {title: string, hint: string, code?: string}>} */
export const EMPTY_STATES = {
  actors: {
    title: "No actors yet", hint: "Spawn one here, or from Python:",
    code: "@pul.remote\nclass Counter:\n    def __init__(self):\n        self.value = 0\n\n    def increment(self, by: int = 1) -> int:\n        self.value += by\n        return self.value\n\ncounter = await Counter.spawn(name=\"counter\")",
  },
  agents: {
    title: "No agents yet", hint: "An agent is an actor that says who it is:",
    code: "from pulsing.agent import agent\n\n@agent(role=\"Researcher\", goal=\"Find the facts\", backstory=\"Reads everything\")\nclass Researcher:\n    async def ask(self, question: str) -> str:\n        return \"42\"\n\nawait Researcher.spawn(name=\"researcher\")",
  },
  classes: { title: "No classes registered", hint: "Decorate a class, and every node that imports it can spawn it:", code: "@pul.remote\nclass Worker:\n    def work(self, n: int) -> int:\n        return n * n" },
  queues: {
    title: "No queues yet", hint: "The first record that is put makes the queue:",
    code: "queue = await system.queue.write(\"orders\", bucket_column=\"id\", num_buckets=4)\nawait queue.put({\"id\": \"a1\", \"amount\": 3})",
  },
  topics: { title: "No topics yet", hint: "A topic exists as soon as somebody publishes or subscribes:", code: "writer = await system.topic.write(\"news\")\nawait writer.publish({\"headline\": \"It works\"})" },
  "dead-letters": { title: "No dead letters", hint: "Every message so far reached a living actor." },
  links: { title: "No links", hint: "This node stands alone. Start a second one with the address of this one, which the page of the cluster shows, as its seed:", code: "system = await pul.actor_system(addr=\"127.0.0.1:0\", seeds=[\"127.0.0.1:8000\"])" },
  events: { title: "Nothing has happened yet", hint: "Spawns, stops, failures, members and links appear here as they happen." },
  audit: { title: "No actions yet", hint: "Every action and every refusal is kept here." },
  nodes: { title: "No nodes answered", hint: "The cluster's nodes appear here." },
};

export const KEYS = [
  ["/", "Search this list"],
  ["Ctrl K", "Go to anything"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["Esc", "Close, or leave the field"],
  ["?", "This help"],
];
