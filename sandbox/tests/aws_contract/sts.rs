use anypoint_sandbox::aws::{Aws, REGION};
use aws_config::sts::AssumeRoleProvider;
use aws_sdk_secretsmanager::Client;

use crate::sdk;

const ROLE: &str = "arn:aws:iam::210987654321:role/reader";

async fn client(aws: &Aws) -> Client {
    let config = sdk(aws).await;
    let role = AssumeRoleProvider::builder(ROLE)
        .session_name("relay")
        .external_id("x")
        .configure(&config)
        .region(aws_config::Region::new(REGION))
        .build()
        .await;
    let config = aws_sdk_secretsmanager::config::Builder::from(&config).credentials_provider(role).build();
    Client::from_conf(config)
}

#[tokio::test]
async fn a_role_is_assumed_and_reads_with_its_own_key() {
    let aws = Aws::start().await;
    let secret = aws.create_secret("prod/db", "v");
    // A role of another account finds the secret by its ARN alone.
    let client = client(&aws).await;
    let got = client.get_secret_value().secret_id(secret.arn()).send().await.unwrap();
    assert_eq!(got.secret_string(), Some("v"));
    assert!(client.get_secret_value().secret_id("prod/db").send().await.is_err());
    let [assumed] = aws.assumed_roles().try_into().unwrap();
    assert_eq!((assumed.role_arn.as_str(), assumed.session.as_str()), (ROLE, "relay"));
    assert_eq!(assumed.external_id.as_deref(), Some("x"));
    let reads = aws.log().matching(|request| request.tag == "GetSecretValue");
    assert!(super::header(&reads[0], "authorization").contains(&assumed.access_key));
    assert_eq!(super::header(&reads[0], "x-amz-security-token"), "sandbox-session-token");
}

#[tokio::test]
async fn a_role_may_be_denied() {
    let aws = Aws::start().await;
    let secret = aws.create_secret("prod/db", "v");
    aws.deny_role(ROLE, true);
    let refused = client(&aws).await.get_secret_value().secret_id(secret.arn()).send().await.unwrap_err();
    assert!(format!("{refused:?}").contains("AccessDenied"), "{refused:?}");
    assert_eq!(secret.reads().get, 0);
}
