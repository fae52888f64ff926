//! A gateway with a dashboard on a free port, and a client for it.

use bloodbank_core::{Bus, Settings};
use bloodbank_gateway::{Gateway, ServeOptions, Server, Tokens};
use bloodbank_harness::{shared_rabbit_url, unique};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect::Policy};
use tokio::task::JoinHandle;

/// One token for each thing that somebody may do.
pub(crate) const TOKENS: &str = r##"token = [
    { name = "nobody", secret = "may-do-nothing-at-all" },
    { name = "llm", secret = "may-read-llm-events-only", read = ["llm.#"], publish = ["llm.#"] },
    { name = "viewer", secret = "may-read-every-event", read = ["#"] },
    { name = "ops", secret = "may-do-everything-here", read = ["#"], publish = ["#"] },
]"##;

/// A dashboard that is served until this is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) gateway: Gateway,
    running: JoinHandle<()>,
}

pub(crate) async fn serve_on(bus: Bus, tokens: &str) -> Served {
    let tokens = Tokens::from_toml(tokens).expect("tokens");
    let builder = Gateway::builder(bus).tokens(tokens).endpoints(bloodbank_dashboard::endpoints());
    let gateway = builder.build();
    let server = Server::bind(gateway.clone(), ServeOptions::on("127.0.0.1", 0).until(std::future::pending())).await;
    let server = server.expect("a free port");
    let url = format!("http://{}", server.address());
    let running = tokio::spawn(async move { server.run().await.expect("it serves") });
    Served { url, client: client(), gateway, running }
}

/// A client that follows no redirect.
pub(crate) fn client() -> Client {
    // The client can speak TLS, and wants to be told with what.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none()).build().expect("a client")
}

/// A dashboard on a new bus in memory.
pub(crate) async fn serve(tokens: &str) -> Served {
    serve_on(Bus::embedded(), tokens).await
}

/// A bus of each kind.
pub(crate) async fn buses() -> Vec<Bus> {
    let vars = [("RABBIT_URL", shared_rabbit_url()), ("EXCHANGE_NAME", unique("dashboard"))];
    let rabbit = Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("the harness runs");
    vec![Bus::embedded(), rabbit]
}

impl Served {
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).form(fields)
    }

    /// The cookie of whoever signs in with a secret.
    pub(crate) async fn sign_in(&self, secret: &str) -> String {
        let answer = self.post("/dashboard/sign-in", &[("token", secret)]).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = header(&answer, "set-cookie");
        cookie.split(';').next().expect("a cookie").to_owned()
    }

    /// The status and the text of a page.
    pub(crate) async fn page(&self, path: &str) -> (StatusCode, String) {
        read(self.get(path)).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub(crate) async fn read(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.expect("an answer");
    (answer.status(), answer.text().await.expect("a text"))
}

pub(crate) fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name).unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.to_str().expect("ASCII").to_owned()
}

/// The hidden token of the forms on a page.
pub(crate) fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a form");
    rest.split('"').next().expect("its end")
}
