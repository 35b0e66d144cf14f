//! The HTTP client under the SDK: its own default, but for how long an unused connection stays open.

use aws_sdk_secretsmanager::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, ConnectorBuilder};

use crate::outbound::VALUE_IDLE;

/// Sends through the proxy that the environment names, as the SDK's default does.
pub(super) fn sdk_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.set_pool_idle_timeout(Some(Some(VALUE_IDLE)));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
