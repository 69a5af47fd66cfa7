//! Signs a token for Amazon MSK: a request to connect, presigned with AWS credentials (Signature Version 4) and not sent.
//!
//! The credentials are those of the environment, in the order of AWS's own clients: keys in variables, a role by web identity
//! (IRSA), a container's agent (ECS, EKS Pod Identity). All are read for every token. Those of an EC2 instance are not read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;
use url::{Host, Url, form_urlencoded};

use super::http;
use super::token::{DEADLINE, Failure, Token};

/// The life of a token, which MSK's signers all use.
const LIFE: Duration = Duration::from_secs(900);

/// The addresses of the agents of ECS and EKS; others need TLS, for the answer has the keys.
const AGENTS: [&str; 4] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"];

/// The signer of this process.
#[derive(Clone)]
pub struct MskIam {
    /// The region in the names of the brokers.
    region: Option<String>,
    /// AWS's variables in the environment.
    variables: BTreeMap<String, String>,
}

impl fmt::Debug for MskIam {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MskIam").field("region", &self.region).finish_non_exhaustive()
    }
}

impl MskIam {
    /// The signer for these brokers, with the environment of the process.
    pub fn of_process(brokers: &str) -> Self {
        let is_set = |(name, value): &(String, String)| name.starts_with("AWS_") && !value.is_empty();
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self { region: region_in(brokers), variables: variables.filter(is_set).collect() }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    /// A new token.
    ///
    /// # Errors
    /// There are no credentials, or AWS refuses the role ([`Failure::Refused`]), or does not answer.
    pub(super) async fn request(&self) -> Result<Token, Failure> {
        let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| self.variable(name));
        let region = set.or_else(|| self.region.clone()).ok_or_else(|| {
            Failure::Refused("no AWS region: set AWS_REGION, since no broker's name has one".to_owned())
        })?;
        let credentials = self.credentials(&region).await?;
        let text = signed(&region, &credentials, SystemTime::now())?;
        Ok(Token::new(text, credentials.access_key_id().to_owned(), LIFE))
    }

    async fn credentials(&self, region: &str) -> Result<Credentials, Failure> {
        let get = |name| self.variable(name);
        if let Some((id, secret)) = get("AWS_ACCESS_KEY_ID").zip(get("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Credentials::new(id, secret, get("AWS_SESSION_TOKEN"), None, "environment"));
        }
        if let Some((role, file)) = get("AWS_ROLE_ARN").zip(get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
            return self.of_role(region, &role, &file).await;
        }
        let of_ecs = || get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("http://169.254.170.2{path}"));
        if let Some(url) = of_ecs().or_else(|| get("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            return self.of_agent(&url).await;
        }
        Err(Failure::Refused(
            "no AWS credentials: neither keys (AWS_ACCESS_KEY_ID) nor a role (AWS_ROLE_ARN with \
             AWS_WEB_IDENTITY_TOKEN_FILE) nor a container's agent (AWS_CONTAINER_CREDENTIALS_FULL_URI) in the environment"
                .to_owned(),
        ))
    }

    /// The role's credentials, for the web identity in the file.
    async fn of_role(&self, region: &str, role: &str, file: &str) -> Result<Credentials, Failure> {
        let identity = read(file)?;
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = self.variable("AWS_ENDPOINT_URL_STS");
        let endpoint = endpoint.unwrap_or_else(|| format!("https://sts.{region}.{domain}/"));
        let session = self.variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "segmenter".to_owned());
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", role)
            .append_pair("RoleSessionName", &session)
            .append_pair("WebIdentityToken", &identity)
            .finish();
        let request = client()?.post(endpoint).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let (status, answer) = answer("STS", request).await?;
        of_sts(status, &answer)
    }

    /// The credentials that a container's agent has.
    async fn of_agent(&self, url: &str) -> Result<Credentials, Failure> {
        if !is_trusted(url) {
            let why = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor the address of an agent";
            return Err(Failure::Refused(why.to_owned()));
        }
        let mut request = client()?.get(url);
        let token = match self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => Some(read(&file)?),
            None => self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let (status, answer) = answer("the container's agent", request).await?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let text = |name: &str| answer.get(name)?.as_str().map(str::to_owned);
        match (text("AccessKeyId"), text("SecretAccessKey")) {
            (Some(id), Some(secret)) if status.is_success() => {
                Ok(Credentials::new(id, secret, text("Token"), None, "container"))
            }
            _ => Err(Failure::Unavailable(format!("the container's agent answers {status} without credentials"))),
        }
    }
}

fn client() -> Result<reqwest::Client, Failure> {
    let client = http::client(None, DEADLINE).map_err(Failure::Unavailable)?;
    client.build().map_err(|error| Failure::Unavailable(http::text(&error)))
}

/// The text of an answer with its status.
async fn answer(of: &str, request: RequestBuilder) -> Result<(StatusCode, String), Failure> {
    let unavailable = |error: reqwest::Error| Failure::Unavailable(format!("{of}: {}", http::text(&error)));
    let mut response = request.send().await.map_err(unavailable)?;
    let body = http::body(&mut response).await.map_err(unavailable)?;
    Ok((response.status(), String::from_utf8_lossy(&body).into_owned()))
}

fn read(file: &str) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Failure::Unavailable(format!("the file {file} cannot be read: {error}")))?;
    Ok(text.trim().to_owned())
}

/// Whether credentials may be requested of this address.
fn is_trusted(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_agent = match url.host() {
        Some(Host::Domain(name)) => AGENTS.contains(&name),
        Some(Host::Ipv4(address)) => address.is_loopback() || AGENTS.contains(&address.to_string().as_str()),
        Some(Host::Ipv6(address)) => address.is_loopback() || AGENTS.contains(&address.to_string().as_str()),
        None => false,
    };
    url.scheme() == "https" || is_agent
}

/// The credentials in an answer of STS; it is XML whose texts need no decoding.
fn of_sts(status: StatusCode, answer: &str) -> Result<Credentials, Failure> {
    let text = |name: &str| {
        let (_, behind) = answer.split_once(&format!("<{name}>"))?;
        Some(behind.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    if let (true, Some(id), Some(secret)) = (status.is_success(), text("AccessKeyId"), text("SecretAccessKey")) {
        return Ok(Credentials::new(id, secret, text("SessionToken"), None, "role"));
    }
    match text("Code").filter(|_| status.is_client_error()) {
        Some(code) if code != "Throttling" && code != "IDPCommunicationError" => {
            Err(Failure::Refused(format!("STS refuses the role: {code}")))
        }
        _ => Err(Failure::Unavailable(format!("STS answers {status}"))),
    }
}

/// The region in a broker's name, such as `b-1.x.c2.kafka.eu-central-1.amazonaws.com:9098`.
fn region_in(brokers: &str) -> Option<String> {
    let mut labels = brokers.split(['.', ':', ',']);
    labels.find(|label| matches!(*label, "kafka" | "kafka-serverless"))?;
    labels.next().filter(|region| region.contains('-')).map(str::to_owned)
}

/// The token: the URL of the presigned request in base64.
fn signed(region: &str, credentials: &Credentials, now: SystemTime) -> Result<String, Failure> {
    let unsigned = |error: &dyn std::fmt::Display| Failure::Refused(format!("the token cannot be signed: {error}"));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(LIFE);
    let identity = credentials.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("kafka-cluster")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let url = format!("https://kafka.{region}.amazonaws.com/?Action=kafka-cluster%3AConnect");
    let mut signed = Url::parse(&url).map_err(|error| unsigned(&error))?;
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]));
    let signature = sign(request.map_err(|error| unsigned(&error))?, &parameters).map_err(|error| unsigned(&error))?;
    for (name, value) in signature.into_parts().0.params() {
        signed.query_pairs_mut().append_pair(name, value);
    }
    // Not signed: AWS's logs show it.
    signed.query_pairs_mut().append_pair("User-Agent", concat!("segmenter/", env!("CARGO_PKG_VERSION")));
    Ok(URL_SAFE_NO_PAD.encode(signed.as_str()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Made by Amazon's signer for Python, version 1.0.2, with the same time and credentials.
    const BY_AMAZON: [(Option<&str>, &str); 2] = [
        (
            None,
            "https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Feu-central-1%2Fkafka-cluster%2Faws4_request\
             &X-Amz-Date=20260301T102030Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=c3d978749320f89dc92457335dfd7728d847f5e0ac2ec31038d6b607998a660c",
        ),
        (
            Some("FwoGZXIvYXdzEXAMPLE//+token=="),
            "https://kafka.eu-central-1.amazonaws.com/?Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Feu-central-1%2Fkafka-cluster%2Faws4_request\
             &X-Amz-Date=20260301T102030Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2F%2Btoken%3D%3D\
             &X-Amz-Signature=f44d3adc990fa0611df6b56e06433f83e3a41414005c29456d69574a7d5711af",
        ),
    ];

    fn pairs(url: &str) -> BTreeMap<String, String> {
        Url::parse(url).unwrap().query_pairs().into_owned().filter(|(name, _)| name != "User-Agent").collect()
    }

    #[test]
    fn a_token_is_the_presigned_url_that_amazons_own_signer_makes() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_360_430);
        for (session, expected) in BY_AMAZON {
            let session = session.map(str::to_owned);
            let credentials =
                Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session, None, "test");
            let token = signed("eu-central-1", &credentials, now).unwrap();
            let url = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
            assert_eq!(pairs(&url), pairs(expected));
            assert!(url.starts_with("https://kafka.eu-central-1.amazonaws.com/?Action="), "{url}");
            assert!(!url.contains('+'), "a space or a plus would be read as the other: {url}");
        }
    }

    #[test]
    fn the_region_is_that_of_the_brokers_names() {
        for (brokers, region) in [
            (
                "b-1.x.c2.kafka.eu-central-1.amazonaws.com:9098,b-2.x.c2.kafka.eu-central-1.amazonaws.com:9098",
                "eu-central-1",
            ),
            ("boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098", "us-east-1"),
        ] {
            assert_eq!(region_in(brokers).as_deref(), Some(region));
        }
        assert_eq!(region_in("kafka.internal:9092"), None);
    }

    #[test]
    fn an_agent_is_asked_only_where_it_can_be_trusted() {
        for url in
            ["http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1", "http://127.0.0.1:1/", "https://a/"]
        {
            assert!(is_trusted(url), "{url}");
        }
        for url in ["http://example.com/", "http://169.254.169.254/", "not a URL"] {
            assert!(!is_trusted(url), "{url}");
        }
    }

    #[test]
    fn a_refusal_of_the_role_is_final_and_a_failure_of_sts_is_not() {
        let refusal = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        let of = |status, answer| of_sts(StatusCode::from_u16(status).unwrap(), answer).map(drop);
        assert_eq!(of(403, refusal), Err(Failure::Refused("STS refuses the role: AccessDenied".to_owned())));
        assert!(matches!(of(503, refusal), Err(Failure::Unavailable(_))));
        assert!(matches!(of(400, "<Error><Code>Throttling</Code></Error>"), Err(Failure::Unavailable(_))));
        assert!(matches!(of(200, "a proxy's page"), Err(Failure::Unavailable(_))));
    }

    /// Answers one request; gives its text.
    fn answering(body: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut buffer) = (String::new(), [0; 4096]);
            let is_whole = |request: &str| {
                let (head, body) = request.split_once("\r\n\r\n")?;
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                (body.len() >= length.map_or(0, |length| length.parse().unwrap())).then_some(())
            };
            while is_whole(&request).is_none() {
                let count = stream.read(&mut buffer).unwrap();
                request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all((head + body).as_bytes()).unwrap();
            request
        });
        (format!("http://{address}/"), answering)
    }

    /// The names and values of a token that is signed with these variables.
    async fn token_with(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let token = MskIam { region: Some("eu-central-1".to_owned()), variables }.request().await.unwrap();
        assert!(token.left() <= LIFE && token.left() > LIFE / 2);
        pairs(&String::from_utf8(URL_SAFE_NO_PAD.decode(token.text()).unwrap()).unwrap())
    }

    fn file_with(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[tokio::test]
    async fn a_role_is_assumed_with_the_web_identity_in_its_file() {
        let (url, asked) = answering(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
             <AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>a/b+c</SecretAccessKey>\
             <SessionToken>session==</SessionToken></Credentials></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>",
        );
        let file = file_with("web-identity\n");
        let token = token_with(&[
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/segmenter"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", file.path().to_str().unwrap()),
            ("AWS_ENDPOINT_URL_STS", &url),
        ])
        .await;
        assert!(token["X-Amz-Credential"].starts_with("ASIAROLE/") && token["X-Amz-Security-Token"] == "session==");
        let asked = asked.join().unwrap();
        assert!(asked.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fsegmenter"), "{asked}");
        assert!(asked.ends_with("WebIdentityToken=web-identity"), "{asked}");
    }

    #[tokio::test]
    async fn a_containers_agent_is_asked_with_the_token_in_its_file() {
        let (url, asked) = answering(
            r#"{"AccessKeyId": "ASIAPOD", "SecretAccessKey": "a/b+c", "Token": "session==", "Expiration": ""}"#,
        );
        let file = file_with("agent-token\n");
        let token = token_with(&[
            ("AWS_REGION", "us-east-1"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.path().to_str().unwrap()),
        ])
        .await;
        assert!(token["X-Amz-Credential"].starts_with("ASIAPOD/") && token["X-Amz-Credential"].contains("/us-east-1/"));
        assert!(asked.join().unwrap().contains("authorization: agent-token"));
    }

    #[tokio::test]
    async fn an_environment_without_credentials_is_a_refusal_that_names_the_variables() {
        let signer = MskIam { region: Some("eu-central-1".to_owned()), variables: BTreeMap::new() };
        let refused = signer.request().await;
        assert!(matches!(&refused, Err(Failure::Refused(why)) if why.contains("AWS_ROLE_ARN")), "{refused:?}");
    }
}
